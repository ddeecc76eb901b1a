import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { Graph, linear, openSession, rewriteGraph, toFloat16, type Session } from "@sightline/graph";
import { narrowFloat16 } from "@sightline/weights";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { VisionPart } from "../src/checkpoint.js";
import { openCheckpoint } from "../src/families/open-checkpoint.js";
import { decodeImage, type DecodedImage } from "../src/pixels/decode-image.js";
import { openFloat16 } from "../src/precision/open-float16.js";
import { goldenPath } from "./goldens.js";
import { leastCosine } from "./row-cosines.js";
import { plantOutliers } from "./planted-outliers.js";
import { roundingFloat16 } from "./rounding-float16.js";

const mini = fileURLToPath(new URL("../../../models/mini/siglip", import.meta.url));
const examples = fileURLToPath(new URL("../../../examples", import.meta.url));
const cpu = { device: "cpu", threads: 1 } as const;

type Results = Awaited<ReturnType<Session["run"]>>;
type Vision = VisionPart & { readonly graph: Graph };

let folder: string;
let images: DecodedImage[];
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "float16-test-"));
  const drawn = (await readdir(examples)).filter((name) => name.endsWith(".png")).map((name) => path.join(examples, name));
  images = await Promise.all([goldenPath("photo.jpg"), goldenPath("photo-crop.png"), ...drawn].map((file) => decodeImage(file)));
});
afterAll(() => rm(folder, { recursive: true }));

async function withVision<T>(directory: string, use: (vision: Vision) => Promise<T>): Promise<T> {
  const checkpoint = await openCheckpoint(directory, { towers: ["vision"] }, true);
  try {
    return await use(checkpoint.vision as Vision);
  } finally {
    await checkpoint.close();
  }
}

async function runOn(graph: Graph, vision: VisionPart): Promise<Results> {
  await using session = await openSession(graph, cpu);
  return session.run(vision.prepare(images).feeds);
}

const floats = (results: Results, name: string): Float32Array => results[name]?.data as Float32Array;

describe("float16 as a GPU rounds it, in float32 on the CPU", () => {
  it.each<[string, number, () => Promise<string>]>([
    ["mini's trained weights", 0.9999, async () => mini],
    ["float16 weights of a file", 0.9999, async () => goldenPath("siglip-float16")],
    ["outliers of the residual stream", 0.9999, () => plantOutliers(folder, /vision_model.*layers\.0\.mlp\.fc2\.bias$/, 5000)],
    ["outliers of the residual stream from the patches on", 0.9999, () => plantOutliers(folder, /vision_model.*patch_embedding\.bias$/, 50000)],
    ["outliers in hidden channels of the MLP", 0.9999, () => plantOutliers(folder, /vision_model.*mlp\.fc1\.bias$/, 1000)],
    // Scores in the hundreds: a softmax of them turns on the last bit of a query.
    ["gains of layer norms so large that attention saturates", 0.99, () => plantOutliers(folder, /vision_model.*layer_norm[12]\.weight$/, 60)],
  ])("keeps embeddings and patch tokens to a cosine, and within float16's range: %s, %d", async (_, cosine, checkpoint) => {
    await withVision(await checkpoint(), async (vision) => {
      const exact = await runOn(vision.graph, vision);
      const half = await runOn(roundingFloat16(toFloat16(vision.graph, narrowFloat16)), vision);
      expect(leastCosine(floats(exact, "pooled"), floats(half, "pooled"), vision.pooledWidth)).toBeGreaterThan(cosine);
      expect(leastCosine(floats(exact, "patchTokens"), floats(half, "patchTokens"), vision.width)).toBeGreaterThan(cosine);
      expect(floats(half, "pooled")).not.toEqual(floats(exact, "pooled"));
      expect(floats(half, "largest")[0]).toBeLessThan(65504);
    });
  });

  it("rounds to the nearest of float16's values", async () => {
    const graph = new Graph();
    const one = graph.weight("one", "float32", [1, 1], Float32Array.of(1));
    graph.output("y", linear(graph.input("x", "float32", ["N", 1]), one));
    await using session = await openSession(roundingFloat16(toFloat16(graph, narrowFloat16)), cpu);
    const significand = fc.integer({ min: 1025, max: 2047 });
    await fc.assert(
      fc.asyncProperty(significand, fc.integer({ min: -14, max: 15 }), fc.double({ min: -0.49, max: 0.49, noNaN: true }), async (fraction, exponent, off) => {
        const x = { dtype: "float32", shape: [1, 1], data: Float32Array.of((fraction + off) * 2 ** (exponent - 10)) } as const;
        expect((await session.run({ x }))["y"]?.data[0]).toBe(fraction * 2 ** (exponent - 10));
      }),
    );
  });
});

describe("a tower opened in float16, on the CPU for want of a GPU with float16", () => {
  const feedsOf = (vision: VisionPart): Parameters<Session["run"]>[0][] => images.slice(0, 1).map((image) => vision.prepare([image]).feeds);

  it("reports its cosines with float32, and frees the float32 session", async () => {
    await withVision(mini, async (vision) => {
      const exact = await openSession(vision.graph, cpu);
      const { session, report } = await openFloat16(vision.graph, exact, feedsOf(vision), cpu, false);
      await using _ = session;
      expect(report.precision).toBe("float16");
      expect(report.cosinePooled).toBeGreaterThan(0.9999);
      expect(report.cosinePatch).toBeGreaterThan(0.9999);
      expect(report.cosinePatch).toBeLessThan(1);
      await expect(exact.run(feedsOf(vision)[0] ?? {})).rejects.toThrow("disposed");
    });
  });

  it("stays in float32 where the two disagree", async () => {
    await withVision(mini, async (vision) => {
      // A kernel that is wrong in float16: its sums lose their signs.
      const strays = rewriteGraph(vision.graph, (node, copyOf, into) => {
        if (node.op !== "FastGelu") return undefined;
        const [x] = node.inputs.map((tensor) => tensor && copyOf(tensor));
        return [into.node1("Abs", [x], { shape: node.outputs[0]?.shape ?? [] })];
      });
      const exact = await openSession(vision.graph, cpu);
      const { session, report } = await openFloat16(strays, exact, feedsOf(vision), cpu, false);
      await using _ = session;
      expect(session).toBe(exact);
      expect(report).toMatchObject({ precision: "float32", cosinePooled: 1 });
    });
  });

  it("names a weight beyond float16's range; auto takes float32 instead", async () => {
    const beyond = await plantOutliers(folder, /vision_model.*layers\.1\.mlp\.fc1\.bias$/, 1e7);
    await withVision(beyond, async (vision) => {
      const exact = await openSession(vision.graph, cpu);
      const { session, report } = await openFloat16(vision.graph, exact, feedsOf(vision), cpu, true);
      expect([session, report.precision]).toEqual([exact, "float32"]);
      await expect(openFloat16(vision.graph, exact, feedsOf(vision), cpu, false)).rejects.toThrow(/toFloat16: "vision_model\.encoder\.layers\.1\.mlp\.fc1\.bias" holds -?\d+/);
      await expect(exact.run(feedsOf(vision)[0] ?? {})).rejects.toThrow("disposed");
    });
  });
});
