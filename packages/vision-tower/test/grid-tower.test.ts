import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { Graph, openSession } from "@sightline/graph";
import { openWeights, WeightsError, writeGguf, writeSafetensors, type GgufValue, type TensorToWrite, type WeightSource } from "@sightline/weights";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { checkpointTower, ConfigError, mmprojTower, type GridTower, type PatchGrid } from "../src/index.js";

// The rows behind a tower are held against llama.cpp and transformers in packages/sightline; here is what it takes.

const [width, patchSize] = [8, 4];

let folder: string;
let files = 0;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "grid-tower-test-"));
});
afterAll(() => rm(folder, { recursive: true }));

function filled(name: string, ...shape: number[]): TensorToWrite {
  return { name, dtype: "F32", shape, data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(name.length + i * 0.7)) };
}

/** A tower without blocks worth the name: one, whose attention and MLP give nothing, so that positions can be seen. */
async function mmproj(type: string, positions: number, metadata: Readonly<Record<string, GgufValue>> = {}): Promise<WeightSource> {
  const zeros = (name: string, ...shape: number[]): TensorToWrite => ({ ...filled(name, ...shape), data: new Float32Array(shape.reduce((a, b) => a * b, 1)) });
  const layer = (name: string, out: number, into: number): TensorToWrite[] => [zeros(`${name}.weight`, out, into), zeros(`${name}.bias`, out)];
  const block = ["attn_q", "attn_k", "attn_v", "attn_out"].flatMap((name) => layer(`v.blk.0.${name}`, width, width));
  const norms = ["ln1", "ln2"].flatMap((name) => [zeros(`v.blk.0.${name}.weight`, width), zeros(`v.blk.0.${name}.bias`, width)]);
  const table = Float32Array.from({ length: positions * width }, (_, i) => Math.floor(i / width));
  const file = path.join(folder, `${files++}.gguf`);
  const halves: GgufValue = { type: "array", of: "float32", value: [0.5, 0.5, 0.5] };
  const u32 = (value: number): GgufValue => ({ type: "uint32", value });
  await writeGguf(file, {
    metadata: Object.entries({
      "general.architecture": { type: "string", value: "clip" },
      "clip.has_vision_encoder": { type: "bool", value: true },
      "clip.projector_type": { type: "string", value: type },
      "clip.use_gelu": { type: "bool", value: true },
      "clip.vision.image_size": u32(16),
      "clip.vision.patch_size": u32(patchSize),
      "clip.vision.embedding_length": u32(width),
      "clip.vision.feed_forward_length": u32(12),
      "clip.vision.block_count": u32(1),
      "clip.vision.attention.head_count": u32(2),
      "clip.vision.attention.layer_norm_epsilon": { type: "float32", value: 1e-6 },
      "clip.vision.image_mean": halves,
      "clip.vision.image_std": halves,
      ...metadata,
    } satisfies Record<string, GgufValue>),
    tensors: [
      zeros("v.patch_embd.weight", width, 3, patchSize, patchSize), zeros("v.patch_embd.bias", width),
      { name: "v.position_embd.weight", dtype: "F32", shape: [positions, width], data: table },
      ...block, ...norms, ...layer("v.blk.0.ffn_up", 12, width), ...layer("v.blk.0.ffn_down", width, 12),
    ],
  });
  return openWeights(file);
}

/** The position that each patch was given: the table holds its own row numbers. */
async function positionsOf(tower: GridTower, grid: PatchGrid): Promise<number[]> {
  const graph = new Graph();
  graph.output("tokens", tower.build(graph, grid));
  await using session = await openSession(graph, { device: "cpu", threads: 1 });
  const shape = [1, 3, grid.rows * patchSize, grid.columns * patchSize];
  const { tokens } = await session.run({ pixels: { dtype: "float32", shape, data: new Float32Array(3 * shape[2]! * shape[3]!) } });
  expect(tokens?.shape).toEqual([1, grid.rows * grid.columns, width]);
  return Array.from(tokens?.data as Float32Array).filter((_, i) => i % width === 0);
}

describe("a tower of one resolution", () => {
  it("takes its own square and nothing else", async () => {
    await using source = await mmproj("idefics3", 16);
    const tower = mmprojTower(source);
    expect(tower).toMatchObject({ patchSize, width, align: 1, fixedGrid: true, trainedGrid: { rows: 4, columns: 4 } });
    expect(tower.gridOf({ width: 16, height: 16 })).toEqual({ rows: 4, columns: 4 });
    expect(() => tower.gridOf({ width: 16, height: 20 })).toThrow("gridOf: expected 16x16 px, the tower's one resolution, got 16x20");
    expect(() => tower.build(new Graph(), { rows: 4, columns: 5 })).toThrow("build: expected 4x4 patches, the tower's one grid, got 4x5");
    expect(await positionsOf(tower, { rows: 4, columns: 4 })).toEqual(Array.from({ length: 16 }, (_, i) => i));
  });
});

describe("a NaFlex tower (LFM2-VL)", () => {
  it("lays its table over any grid", async () => {
    await using source = await mmproj("lfm2", 16);
    const tower = mmprojTower(source);
    expect(tower).toMatchObject({ fixedGrid: false, trainedGrid: { rows: 4, columns: 4 }, preprocessing: { width: 16, height: 16, filter: "bilinear" } });
    expect(tower.gridOf({ width: 12, height: 8 })).toEqual({ rows: 2, columns: 3 });
    expect(() => tower.gridOf({ width: 13, height: 8 })).toThrow("gridOf: expected sides that are multiples of 4 px, got 13x8");
    expect(await positionsOf(tower, { rows: 4, columns: 4 })).toEqual(Array.from({ length: 16 }, (_, i) => i));
    // Half as many: a triangle twice as wide, which the edge cuts to shares of 3, 3 and 1 in 7, so columns 5/7 and 16/7.
    const [first = 0, last = 0] = [await positionsOf(tower, { rows: 1, columns: 2 })].flat();
    expect(last - first).toBeCloseTo(11 / 7, 5);
    expect(first + last).toBeCloseTo(15, 5);
  });
});

describe("a tower with a large table (MiniCPM-V)", () => {
  it("gives each patch the entry that lies where it lies", async () => {
    await using source = await mmproj("resampler", 64);
    const tower = mmprojTower(source);
    // Eight entries along a side: rows 0, 2, 5 of three; columns 0, 4 of two.
    expect(await positionsOf(tower, { rows: 3, columns: 2 })).toEqual([0, 4, 16, 20, 40, 44]);
    expect(await positionsOf(tower, { rows: 8, columns: 8 })).toEqual(Array.from({ length: 64 }, (_, i) => i));
    // More patches than entries share them.
    expect((await positionsOf(tower, { rows: 1, columns: 16 })).slice(0, 4)).toEqual([0, 0, 1, 1]);
    expect(tower).toMatchObject({ fixedGrid: false, preprocessing: { width: 16, height: 16 } });
  });

  it("is refused where the table is no square", async () => {
    await using source = await mmproj("resampler", 60);
    expect(() => mmprojTower(source)).toThrow(WeightsError);
    expect(() => mmprojTower(source)).toThrow(/"v.position_embd.weight": expected a square number of positions, got 60/);
  });
});

describe("any tower", () => {
  it.each([{ rows: 0, columns: 2 }, { rows: 1.5, columns: 2 }])("refuses a grid of $rows x $columns", async (grid) => {
    await using source = await mmproj("lfm2", 16);
    expect(() => mmprojTower(source).build(new Graph(), grid)).toThrow(/build: expected rows and columns that are multiples of 1, got/);
  });
});

describe("checkpointTower", () => {
  async function checkpoint(config: unknown): Promise<string> {
    const directory = path.join(folder, String(files++));
    await mkdir(directory);
    await writeFile(path.join(directory, "config.json"), JSON.stringify(config));
    await writeFile(path.join(directory, "preprocessor_config.json"), "{}");
    await writeSafetensors(path.join(directory, "model.safetensors"), [filled("vpm.embeddings.patch_embedding.weight", width, 3, 4, 4), filled("vpm.embeddings.position_embedding.weight", 64, width)]);
    return directory;
  }
  const vision = { hidden_size: width, intermediate_size: 12, num_hidden_layers: 2, num_attention_heads: 2, patch_size: patchSize };

  it("reads MiniCPM-V's slice, not the size of its table", async () => {
    const directory = await checkpoint({ model_type: "minicpmv", image_size: 16, vision_config: { ...vision, model_type: "siglip", image_size: 32 } });
    await using source = await openWeights(directory);
    const tower = await checkpointTower(directory, source);
    expect(tower).toMatchObject({ fixedGrid: false, trainedGrid: { rows: 4, columns: 4 }, preprocessing: { width: 16 } });
    expect(tower.modelConfig).toMatchObject({ model_type: "minicpmv" });
    expect(tower.processorConfig).toEqual({});
  });

  it.each([
    [{ model_type: "minicpmv", vision_config: { ...vision, model_type: "clip_vision_model" } }, /vision_config.model_type: expected "siglip" or "siglip_vision_model", got "clip_vision_model"/],
    [{ model_type: "lfm2_vl", vision_config: { ...vision, model_type: "siglip_vision_model" } }, /expected "siglip2_vision_model", got "siglip_vision_model"/],
    [{ model_type: "gemma3", vision_config: { ...vision, model_type: "siglip2_vision_model" } }, /expected a SigLIP tower of one fixed resolution, got "siglip2_vision_model"/],
    [{ model_type: "fuyu" }, /model_type/],
    [[], /model_type|object/],
  ])("refuses %o", async (config, message) => {
    const directory = await checkpoint(config);
    await using source = await openWeights(directory);
    await expect(checkpointTower(directory, source)).rejects.toThrow(message);
    await expect(checkpointTower(directory, source)).rejects.toThrow(ConfigError);
  });
});
