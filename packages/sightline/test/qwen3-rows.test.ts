import { readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { Graph, openSession } from "@sightline/graph";
import { projectorFromCheckpoint, projectorFromMmproj, type PatchGrid, type Projector } from "@sightline/projector";
import { checkpointTower, ConfigError, mmprojTower, weightParameters, type GridTower } from "@sightline/vision-tower";
import { openWeights, writeGguf, writeSafetensors, type GgufValue, type TensorToWrite, type WeightSource } from "@sightline/weights";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { seeded } from "../../projector/test/seeded.js";

// Reference: transformers 5.23 in float32, by tools/reference/projectors/qwen3.py. Relative to the largest value.
const tolerance = 5e-6;

interface Qwen3Case {
  readonly config: { readonly vision_config: Readonly<Record<string, number>> } & Readonly<Record<string, unknown>>;
  readonly tensors: readonly { readonly name: string; readonly shape: readonly number[]; readonly scale: number; readonly offset: number }[];
  readonly grids: readonly (readonly [number, number])[];
}

const goldens = fileURLToPath(new URL("./goldens/qwen3_vl", import.meta.url));
const read = JSON.parse(readFileSync(path.join(goldens, "case.json"), "utf8")) as Qwen3Case;

let folder: string;
let files = 0;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "qwen3-rows-test-"));
});
afterAll(() => rm(folder, { recursive: true }));

const tensors = (): TensorToWrite[] => read.tensors.map(({ name, shape, scale, offset }) => ({ name, dtype: "F32", shape, data: seeded(name, shape, scale, offset) }));

async function writeCheckpoint(change: Readonly<Record<string, unknown>> = {}): Promise<string> {
  const directory = path.join(folder, String(files++));
  await mkdir(directory);
  await writeFile(path.join(directory, "config.json"), JSON.stringify({ ...read.config, vision_config: { ...read.config.vision_config, ...change } }));
  await writeFile(path.join(directory, "preprocessor_config.json"), "{}");
  await writeSafetensors(path.join(directory, "model.safetensors"), tensors());
  return directory;
}

/** The names that llama.cpp's converter gives them, written down apart from the code under test. */
function ggufName(name: string): string {
  return name
    .replace("model.visual.", "")
    .replace("patch_embed.proj", "v.patch_embd")
    .replace("pos_embed", "v.position_embd")
    .replace("blocks.", "v.blk.")
    .replace(".norm1.", ".ln1.")
    .replace(".norm2.", ".ln2.")
    .replace(".attn.qkv", ".attn_qkv")
    .replace(".attn.proj", ".attn_out")
    .replace(".mlp.linear_fc1", ".ffn_up")
    .replace(".mlp.linear_fc2", ".ffn_down")
    .replace(/^merger.norm/, "v.post_ln")
    .replace(/^merger.linear_fc1/, "mm.0")
    .replace(/^merger.linear_fc2/, "mm.2")
    // By the block that each reads.
    .replace(/^deepstack_merger_list\.(\d)\.(norm|linear_fc[12])/, (_, level: string, layer: string) => `v.deepstack.${level}.${layer.replace("linear_", "")}`);
}

/** The two halves of a kernel over two frames, [D, 3, 2, p, p]. */
function frames({ shape, data }: TensorToWrite): TensorToWrite[] {
  const [width, channels, , high, wide] = shape as readonly [number, number, number, number, number];
  const area = high * wide;
  return [0, 1].map((frame) => ({
    name: `v.patch_embd.weight${frame === 0 ? "" : ".1"}`,
    dtype: "F32",
    shape: [width, channels, high, wide],
    data: Float32Array.from({ length: width * channels * area }, (_, i) => (data as Float32Array)[(2 * Math.floor(i / area) + frame) * area + (i % area)] as number),
  }));
}

async function writeMmproj(change: Readonly<Record<string, GgufValue>> = {}): Promise<WeightSource> {
  const vision = read.config.vision_config;
  const u32 = (value: number | undefined): GgufValue => ({ type: "uint32", value: value as number });
  const halves: GgufValue = { type: "array", of: "float32", value: [0.5, 0.5, 0.5] };
  const metadata: Record<string, GgufValue> = {
    "general.architecture": { type: "string", value: "clip" },
    "clip.has_vision_encoder": { type: "bool", value: true },
    "clip.projector_type": { type: "string", value: "qwen3vl_merger" },
    "clip.use_gelu": { type: "bool", value: true },
    "clip.vision.image_size": u32(64),
    "clip.vision.patch_size": u32(vision["patch_size"]),
    "clip.vision.embedding_length": u32(vision["hidden_size"]),
    "clip.vision.feed_forward_length": u32(vision["intermediate_size"]),
    "clip.vision.block_count": u32(vision["depth"]),
    "clip.vision.attention.head_count": u32(vision["num_heads"]),
    "clip.vision.attention.layer_norm_epsilon": { type: "float32", value: 1e-6 },
    "clip.vision.spatial_merge_size": u32(2),
    "clip.vision.image_mean": halves,
    "clip.vision.image_std": halves,
    ...change,
  };
  const file = path.join(folder, `${files++}.gguf`);
  const written = tensors().flatMap((tensor) => (tensor.name.endsWith("patch_embed.proj.weight") ? frames(tensor) : [{ ...tensor, name: ggufName(tensor.name) }]));
  await writeGguf(file, { metadata: Object.entries(metadata), tensors: written });
  return openWeights(file);
}

async function rowsOf(source: WeightSource, tower: GridTower, projector: Projector, grid: PatchGrid): Promise<Float32Array> {
  const size = { width: grid.columns * tower.patchSize, height: grid.rows * tower.patchSize };
  expect(tower.gridOf(size)).toEqual(grid);
  const graph = new Graph();
  graph.output("rows", projector.build(tower.build(graph, grid), grid, weightParameters(graph, source)));
  await using session = await openSession(graph, { device: "cpu", threads: 1 });
  const shape = [1, 3, size.height, size.width];
  const { rows } = await session.run({ pixels: { dtype: "float32", shape, data: seeded(`pixels ${grid.rows}x${grid.columns}`, shape) } });
  expect(rows?.shape).toEqual([1, projector.tokens(grid), projector.outputWidth]);
  return rows?.data as Float32Array;
}

async function furthest(got: Float32Array, grid: PatchGrid): Promise<number> {
  await using golden = await openWeights(path.join(goldens, "outputs.safetensors"));
  const want = await golden.readFloat32(`rows ${grid.rows}x${grid.columns}`);
  expect(got.length).toBe(want.length);
  const largest = want.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return want.reduce((most, value, i) => Math.max(most, Math.abs(value - (got[i] as number))), 0) / largest;
}

describe("Qwen3-VL, held against transformers", () => {
  it.each(read.grids)("from safetensors, on a grid of %i x %i patches", async (rows, columns) => {
    const directory = await writeCheckpoint();
    await using source = await openWeights(directory);
    const tower = await checkpointTower(directory, source);
    const projector = projectorFromCheckpoint(source, tower.modelConfig);
    expect(await furthest(await rowsOf(source, tower, projector, { rows, columns }), { rows, columns })).toBeLessThan(tolerance);
  });

  it.each(read.grids)("from an mmproj GGUF, on a grid of %i x %i patches", async (rows, columns) => {
    await using source = await writeMmproj();
    const projector = projectorFromMmproj(source, { gelu: "erf" });
    expect(await furthest(await rowsOf(source, mmprojTower(source), projector, { rows, columns }), { rows, columns })).toBeLessThan(tolerance);
  });

  it("says how wide its rows are, and in which grid they lie", async () => {
    await using source = await writeMmproj();
    const projector = projectorFromMmproj(source);
    expect(projector.outputWidth).toBe(3 * 20);
    expect(projector.rowGrid?.({ rows: 4, columns: 14 })).toEqual({ rows: 2, columns: 7 });
    expect(projector.tokens({ rows: 4, columns: 14 })).toBe(14);
    expect(mmprojTower(source)).toMatchObject({ align: 2, patchSize: 8, width: 3 * 32, trainedGrid: { rows: 8, columns: 8 }, fixedGrid: false, preprocessing: { filter: "bicubic", mean: [0.5, 0.5, 0.5] } });
  });

  it("takes CLIP's mean where a checkpoint names none, as transformers does", async () => {
    const directory = await writeCheckpoint();
    await using source = await openWeights(directory);
    expect((await checkpointTower(directory, source)).preprocessing.mean[0]).toBe(0.48145466);
  });

  it("refuses a grid or a view that is not made of whole blocks", async () => {
    await using source = await writeMmproj();
    const tower = mmprojTower(source);
    expect(() => tower.build(new Graph(), { rows: 3, columns: 4 })).toThrow(/expected rows and columns that are multiples of 2, got 3x4/);
    expect(() => tower.gridOf({ width: 24, height: 32 })).toThrow(/expected sides that are multiples of 16 px, got 24x32/);
  });

  it.each([
    [{ deepstack_visual_indexes: [1, 0] }, /deepstack_visual_indexes: expected rising blocks below 3, got \[1,0\]/],
    [{ deepstack_visual_indexes: [0, 3] }, /expected rising blocks below 3/],
    [{ num_position_embeddings: 63 }, /num_position_embeddings: expected a square number/],
    [{ temporal_patch_size: 4 }, /vision_config.temporal_patch_size/],
  ])("refuses a config.json with %o", async (change, message) => {
    const directory = await writeCheckpoint(change);
    await using source = await openWeights(directory);
    await expect(checkpointTower(directory, source)).rejects.toThrow(message);
    await expect(checkpointTower(directory, source)).rejects.toThrow(ConfigError);
  });

  it("refuses an mmproj whose deepstack goes beyond its blocks", async () => {
    await using source = await writeMmproj({ "clip.vision.block_count": { type: "uint32", value: 1 } });
    expect(() => mmprojTower(source)).toThrow(/holds "v.deepstack.1.fc1.weight", but clip.vision.block_count is 1/);
  });
});
