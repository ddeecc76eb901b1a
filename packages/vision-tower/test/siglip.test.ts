import { cp, mkdtemp, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { Graph, l2Normalize, openSession } from "@sightline/graph";
import type { TensorValue } from "@sightline/graph";
import { openWeights, writeSafetensors } from "@sightline/weights";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { loadSiglip, patchesOf, siglipPatchTokens, siglipPooledEmbedding, siglipTextEmbedding, SiglipDisposedError, weightParameters } from "../src/index.js";
import type { Siglip } from "../src/index.js";
import { rankTags } from "../src/tag.js";
import { goldenTensors } from "./golden-tensors.js";
import type { GoldenTensor } from "./golden-tensors.js";
import { goldenPath } from "./goldens.js";

const patchTolerance = 2e-4;
const embeddingTolerance = 1e-4;
const images = [goldenPath("photo.jpg"), goldenPath("photo-crop.png")];

/** The mini model's SigLIP checkpoint, which has a tokenizer; the goldens have none. */
const mini = path.join(path.dirname(createRequire(import.meta.url).resolve("@sightline/mini/package.json")), "siglip");

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "siglip-test-"));
});
afterAll(() => rm(folder, { recursive: true }));

function furthest(got: Float32Array, want: Float32Array): number {
  expect(got.length).toBe(want.length);
  return got.reduce((most, value, i) => Math.max(most, Math.abs(value - want[i]!)), 0);
}

function normalizedRows(rows: Float32Array, width: number): Float32Array {
  return rows.map((value, i) => {
    const start = Math.floor(i / width) * width;
    return value / Math.hypot(...rows.subarray(start, start + width));
  });
}

function sigmoid(x: number): number {
  return 1 / (1 + Math.exp(-x));
}

describe.each(["siglip-bfloat16", "siglip-float16", "siglip-sharded"])("a checkpoint as transformers saves it, %s", (model) => {
  const golden = goldenTensors(`${model}/outputs.safetensors`);
  const floats = (name: string): Float32Array => golden.get(name)!.data as Float32Array;

  it("gives transformers' patch tokens and embeddings of images", async () => {
    await using siglip = await loadSiglip(goldenPath(model), { threads: 1 });
    const { patchTokens, pooled, batch, patches, width } = await siglip.encodeImages(images);
    expect([batch, patches, width]).toEqual(golden.get("patch_tokens")!.shape);
    expect(furthest(patchTokens, floats("patch_tokens"))).toBeLessThan(patchTolerance);
    expect(furthest(normalizedRows(pooled, width), floats("image_embeddings"))).toBeLessThan(embeddingTolerance);
  });

  it("gives transformers' logits for its texts", async () => {
    await using siglip = await loadSiglip(goldenPath(model), { threads: 1 });
    const { pooled } = await siglip.encodeImages(images);
    const got = siglip.logits(pooled, floats("text_pooled"));
    expect(got.length).toBe(floats("logits_per_image").length);
    // The logits are the cosines times t.
    expect(furthest(got, floats("logits_per_image"))).toBeLessThan(embeddingTolerance * Math.max(1, siglip.logitScale));
  });

  it("gives transformers' embeddings of texts, widened from the file", async () => {
    await using siglip = await loadSiglip(goldenPath(model), { threads: 1 });
    await using source = await openWeights(goldenPath(model));
    const graph = new Graph();
    const ids = graph.input("ids", "int64", ["B", siglip.config.text.maxTokens]);
    graph.output("embeddings", l2Normalize(siglipTextEmbedding(ids, weightParameters(graph, source), siglip.config.text, { fused: true })));
    await using session = await openSession(graph, { device: "cpu", threads: 1 });
    const { shape, data } = golden.get("input_ids") as GoldenTensor;
    const { embeddings } = await session.run({ ids: { dtype: "int64", shape, data } as TensorValue });
    expect(furthest(embeddings!.data as Float32Array, floats("text_embeddings"))).toBeLessThan(embeddingTolerance);
  });
});

describe("loadSiglip", () => {
  it.each([
    ["vision", "vision_model.embeddings.position_embedding.weight"],
    ["text", "text_model.final_layer_norm.weight"],
  ])("names tensor and both shapes where the file disagrees with the configuration, in the %s tower", async (_, name) => {
    const directory = await mkdtemp(path.join(folder, "misshapen-"));
    await cp(goldenPath("siglip-bfloat16"), directory, { recursive: true });
    await using source = await openWeights(goldenPath("siglip-bfloat16"));
    const { shape } = source.tensors.get(name)!;
    const longer = [shape[0]! + 1, ...shape.slice(1)];
    await writeSafetensors(path.join(directory, "model.safetensors"), [...source.tensors.values()].map((info) =>
      info.name === name
        ? { name, dtype: "F32", shape: longer, data: new Float32Array(longer.reduce((a, b) => a * b, 1)) }
        : { name: info.name, dtype: info.dtype, shape: info.shape, data: () => source.readBytes(info.name) }));
    await expect(loadSiglip(directory, { threads: 1 })).rejects.toMatchObject({
      name: "WeightsError",
      message: `${path.join(directory, "model.safetensors")}: "${name}": expected the shape [${shape.join(", ")}] by the configuration, got [${longer.join(", ")}]`,
    });
  });

  it("says which file a directory lacks", async () => {
    const directory = await mkdtemp(path.join(folder, "empty-"));
    await expect(loadSiglip(directory)).rejects.toThrow(/config\.json/);
  });
});

describe("a loaded model", () => {
  let siglip: Siglip;
  beforeAll(async () => {
    siglip = await loadSiglip(mini, { threads: 1 });
  });
  afterAll(() => siglip[Symbol.asyncDispose]());

  it("encodes nothing to nothing", async () => {
    expect(await siglip.encodeImages([])).toMatchObject({ batch: 0, patchTokens: new Float32Array(0), pooled: new Float32Array(0) });
    expect(await siglip.encodeTexts([])).toEqual(new Float32Array(0));
  });

  it("encodes an image of a batch as it does alone", async () => {
    const together = await siglip.encodeImages(images);
    const second = await siglip.encodeImages(images.slice(1));
    expect(furthest(second.pooled, together.pooled.slice(together.width))).toBeLessThan(embeddingTolerance);
  });

  it("tags with independent sigmoids of t · cosine + b, the likeliest first", async () => {
    const labels = ["a red circle", "a blue square", "a cat"];
    const { tags } = await siglip.tag(images[0]!, labels);
    const { pooled } = await siglip.encodeImages([images[0]!]);
    const logits = siglip.logits(pooled, await siglip.encodeTexts(labels.map((label) => `a photo of a ${label}`)));
    for (const [i, label] of labels.entries()) {
      expect(tags.find((tag) => tag.label === label)!.probability, label).toBeCloseTo(sigmoid(logits[i]!), 5);
    }
    expect(tags.map(({ probability }) => probability)).toEqual(tags.map(({ probability }) => probability).sort((a, b) => b - a));
  });

  it("gives a label the same probability whichever others are asked about", async () => {
    const probabilityOf = async (labels: string[]): Promise<number> => (await siglip.tag(images[0]!, labels)).tags.find(({ label }) => label === "a cat")!.probability;
    expect(await probabilityOf(["a cat", "a dog", "a red circle"])).toBeCloseTo(await probabilityOf(["a cat"]), 6);
  });

  it("counts a label once however often it comes, and takes none at all", async () => {
    expect((await siglip.tag(images[0]!, ["a cat", "a dog", "a cat"])).tags.map(({ label }) => label).sort()).toEqual(["a cat", "a dog"]);
    expect(await siglip.tag(images[0]!, [])).toEqual({ tags: [], noneOfTheAbove: true });
  });

  it("puts labels to the tower through the template", async () => {
    const [plain, phrased] = await Promise.all([
      siglip.tag(images[0]!, ["this is a cat"], { template: "{label}" }),
      siglip.tag(images[0]!, ["cat"], { template: "this is a {label}" }),
    ]);
    expect(phrased.tags[0]!.probability).toBeCloseTo(plain.tags[0]!.probability, 6);
  });

  it("says none of the above by the threshold", async () => {
    expect((await siglip.tag(images[0]!, ["a cat"], { threshold: 0 })).noneOfTheAbove).toBe(false);
    expect((await siglip.tag(images[0]!, ["a cat"], { threshold: 1 })).noneOfTheAbove).toBe(true);
  });

  it("stops when the signal says so", async () => {
    await expect(siglip.encodeImages(images, { signal: AbortSignal.abort(new Error("enough")) })).rejects.toThrow("enough");
  });
});

describe("a disposed model", () => {
  it("refuses every call with an error of its own, never throwing at once", async () => {
    const siglip = await loadSiglip(mini, { threads: 1 });
    await siglip.encodeTexts(["a cat"]);
    await siglip[Symbol.asyncDispose]();
    await siglip[Symbol.asyncDispose]();
    await expect(siglip.encodeImages(images)).rejects.toThrow(SiglipDisposedError);
    await expect(siglip.encodeTexts(["a cat"])).rejects.toThrow(SiglipDisposedError);
    await expect(siglip.tag(images[0]!, ["a cat"])).rejects.toThrow(SiglipDisposedError);
    await expect(siglip.tag(images[0]!, [])).rejects.toThrow(SiglipDisposedError);
  });

  it("was disposed only after work under way", async () => {
    const siglip = await loadSiglip(mini, { threads: 1 });
    const order: string[] = [];
    const encoding = siglip.encodeImages(images).finally(() => order.push("encoded"));
    await siglip[Symbol.asyncDispose]().then(() => order.push("disposed"));
    expect((await encoding).batch).toBe(2);
    expect(order).toEqual(["encoded", "disposed"]);
  });
});

describe("rankTags", () => {
  it("gives every label its own sigmoid: two may be likely, all may be unlikely", () => {
    const { tags, noneOfTheAbove } = rankTags(["a", "b", "c"], Float32Array.of(2, -3, 2.5), 0.5);
    expect(tags.map(({ label }) => label)).toEqual(["c", "a", "b"]);
    expect(tags[0]!.probability).toBeCloseTo(sigmoid(2.5), 6);
    expect(tags[1]!.probability).toBeCloseTo(sigmoid(2), 6);
    expect(noneOfTheAbove).toBe(false);
    expect(rankTags(["a", "b"], Float32Array.of(-2, -3), 0.5).noneOfTheAbove).toBe(true);
  });

  it("counts a label that is exactly at the threshold", () => {
    expect(rankTags(["a"], Float32Array.of(0), 0.5).noneOfTheAbove).toBe(false);
  });
});
