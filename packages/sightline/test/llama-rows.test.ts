import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { Graph, openSession } from "@sightline/graph";
import { projectorFromMmproj } from "@sightline/projector";
import { mmprojTower, preprocess, weightParameters } from "@sightline/vision-tower";
import { openWeights, writeGguf, type GgufValue, type WeightSource } from "@sightline/weights";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { seeded } from "../../projector/test/seeded.js";

// Reference: llama.cpp's mtmd in float32, by tools/reference/projectors/llama_rows.py. Relative to the largest value.
const tolerance = 5e-3;

interface RowsCase {
  readonly type: string;
  readonly width: number;
  readonly height: number;
  readonly keys: Readonly<Record<string, number>>;
  readonly tensors: readonly { readonly name: string; readonly shape: readonly number[]; readonly scale: number; readonly offset: number }[];
}

const cases = ["gemma3", "idefics3", "mlp", "lfm2", "lfm2-wide", "resampler", "resampler-tall", "qwen3vl_merger", "qwen3vl_merger-wide"];

function goldenPath(name: string): string {
  return fileURLToPath(new URL(`./goldens/llama-rows/${name}`, import.meta.url));
}

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "llama-rows-test-"));
});
afterAll(() => rm(folder, { recursive: true }));

async function writeMmproj(name: string, { type, keys, tensors }: RowsCase): Promise<WeightSource> {
  const halves: GgufValue = { type: "array", of: "float32", value: [0.5, 0.5, 0.5] };
  const metadata: Record<string, GgufValue> = {
    "general.architecture": { type: "string", value: "clip" },
    "clip.has_vision_encoder": { type: "bool", value: true },
    "clip.projector_type": { type: "string", value: type },
    "clip.use_gelu": { type: "bool", value: true },
    "clip.vision.attention.layer_norm_epsilon": { type: "float32", value: 1e-6 },
    "clip.vision.image_mean": halves,
    "clip.vision.image_std": halves,
    ...Object.fromEntries(Object.entries(keys).map(([key, value]): [string, GgufValue] => [`clip.vision.${key}`, { type: "uint32", value }])),
  };
  const file = path.join(folder, `${name}.gguf`);
  await writeGguf(file, { metadata: Object.entries(metadata), tensors: tensors.map(({ scale, offset, ...tensor }) => ({ ...tensor, dtype: "F32", data: seeded(tensor.name, tensor.shape, scale, offset) })) });
  return openWeights(file);
}

/** Tower and projector of the case's file, on two pictures that have the size already: the golden's, and its negative. */
async function rowsOf(source: WeightSource, { width, height }: RowsCase): Promise<{ readonly shape: readonly number[]; readonly data: Float32Array }> {
  const [tower, projector] = [mmprojTower(source), projectorFromMmproj(source)];
  const grid = tower.gridOf({ width, height });
  const graph = new Graph();
  graph.output("rows", projector.build(tower.build(graph, grid), grid, weightParameters(graph, source)));
  await using session = await openSession(graph, { device: "cpu", threads: 1 });
  const picture = Uint8Array.from(seeded("picture", [height, width, 3]), (value) => Math.floor((value + 1) * 128));
  const images = [picture, picture.map((level) => 255 - level)].map((data) => ({ width, height, data }));
  const { data, shape } = preprocess(images, { ...tower.preprocessing, width, height, filter: null });
  const { rows } = await session.run({ pixels: { dtype: "float32", shape, data } });
  expect(rows?.shape).toEqual([2, projector.tokens(grid), projector.outputWidth]);
  return { shape: rows?.shape ?? [], data: rows?.data as Float32Array };
}

describe("the rows of an mmproj GGUF, held against llama.cpp's", () => {
  it.each(cases)("%s", async (name) => {
    const read = JSON.parse(readFileSync(path.join(goldenPath(name), "case.json"), "utf8")) as RowsCase;
    await using source = await writeMmproj(name, read);
    await using golden = await openWeights(path.join(goldenPath(name), "outputs.safetensors"));
    const want = await golden.readFloat32("rows");
    const { shape, data } = await rowsOf(source, read);
    expect(shape.slice(1)).toEqual(golden.tensors.get("rows")?.shape);
    const largest = want.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    const furthest = want.reduce((most, value, i) => Math.max(most, Math.abs(value - (data[i] as number))), 0);
    expect(furthest / largest).toBeLessThan(tolerance);
    // The other picture of the batch has rows of its own.
    const other = want.reduce((most, value, i) => Math.max(most, Math.abs(value - (data[want.length + i] as number))), 0);
    expect(other / largest).toBeGreaterThan(0.05);
  });
});
