import { readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { Graph, openSession } from "@sightline/graph";
import { projectorFromCheckpoint, type PatchGrid } from "@sightline/projector";
import { checkpointTower, weightParameters } from "@sightline/vision-tower";
import { openWeights, writeSafetensors, type TensorToWrite } from "@sightline/weights";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { familyCase, golden, writeCheckpoint } from "../../projector/test/family-case.js";
import { seeded } from "../../projector/test/seeded.js";

let folder: string;
let files = 0;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "checkpoint-rows-test-"));
});
afterAll(() => rm(folder, { recursive: true }));

/** Rows of a checkpoint's tower and projector together. */
async function rowsOf(directory: string, grid: PatchGrid, pixels: Float32Array): Promise<Float32Array> {
  await using source = await openWeights(directory);
  const tower = await checkpointTower(directory, source);
  const graph = new Graph();
  const projector = projectorFromCheckpoint(source, tower.modelConfig);
  graph.output("rows", projector.build(tower.build(graph, grid), grid, weightParameters(graph, source)));
  await using session = await openSession(graph, { device: "cpu", threads: 1 });
  const shape = [1, 3, grid.rows * tower.patchSize, grid.columns * tower.patchSize];
  const { rows } = await session.run({ pixels: { dtype: "float32", shape, data: pixels } });
  expect(rows?.shape).toEqual([1, projector.tokens(grid), projector.outputWidth]);
  return rows?.data as Float32Array;
}

function furthest(got: Float32Array, want: Float32Array): number {
  expect(got.length).toBe(want.length);
  const largest = want.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return want.reduce((most, value, i) => Math.max(most, Math.abs(value - (got[i] as number))), 0) / largest;
}

describe("LFM2-VL's checkpoint, tower and projector, held against transformers", () => {
  const read = familyCase("lfm2_vl");
  const side = 8;

  /** Patches as NaFlex cuts them (row, column, channel) to the picture that they are of. */
  function pixelsOf(patches: Float32Array, { rows, columns }: PatchGrid): Float32Array {
    const [height, width] = [rows * side, columns * side];
    return Float32Array.from({ length: 3 * height * width }, (_, i) => {
      const [channel, y, x] = [Math.floor(i / (height * width)), Math.floor(i / width) % height, i % width];
      const patch = Math.floor(y / side) * columns + Math.floor(x / side);
      return patches[(patch * side * side + (y % side) * side + (x % side)) * 3 + channel] as number;
    });
  }

  it.each(read.grids ?? [])("on a grid of %i x %i patches", async (rows, columns) => {
    const directory = path.join(folder, String(files++));
    await using _ = await writeCheckpoint(directory, read, (name) => name.replace(/^vision_tower\./, "model.vision_tower.vision_model."));
    await writeFile(path.join(directory, "preprocessor_config.json"), "{}");
    const pixels = pixelsOf(seeded(`patches ${rows}x${columns}`, [1, rows * columns, 3 * side * side]), { rows, columns });
    const want = await golden("lfm2_vl", `rows ${rows}x${columns}`);
    expect(furthest(await rowsOf(directory, { rows, columns }, pixels), want.data)).toBeLessThan(5e-6);
  });
});

// transformers has no MiniCPM-V 2.6, whose code comes with its files: the same weights as an mmproj are held against mtmd.
describe("MiniCPM-V's checkpoint, tower and projector, held against llama.cpp", () => {
  interface RowsCase {
    readonly width: number;
    readonly height: number;
    readonly keys: Readonly<Record<string, number>>;
    readonly tensors: readonly { readonly name: string; readonly shape: readonly number[]; readonly scale: number; readonly offset: number }[];
  }

  function hubName(name: string): string {
    return name
      .replace("v.patch_embd", "vpm.embeddings.patch_embedding")
      .replace("v.position_embd", "vpm.embeddings.position_embedding")
      .replace("v.post_ln", "vpm.post_layernorm")
      .replace("v.blk.", "vpm.encoder.layers.")
      .replace(/\.ln([12])\./, ".layer_norm$1.")
      .replace("attn_out", "self_attn.out_proj")
      .replace(/attn_([qkv])\./, "self_attn.$1_proj.")
      .replace("ffn_up", "mlp.fc1")
      .replace("ffn_down", "mlp.fc2")
      .replace("resampler.kv.", "resampler.kv_proj.")
      .replace("resampler.attn.out.", "resampler.attn.out_proj.");
  }

  /** The mmproj's tensors as the model's own files hold them: q, k and v in one, the last matrix turned round. */
  function checkpointTensors({ tensors }: RowsCase): TensorToWrite[] {
    const all = tensors.map(({ name, shape, scale, offset }) => ({ name, dtype: "F32" as const, shape, data: seeded(name, shape, scale, offset) }));
    const named = new Map(all.map((tensor) => [tensor.name, tensor]));
    const joint = ["weight", "bias"].map((part): TensorToWrite => {
      const thirds = ["q", "k", "v"].map((which) => named.get(`resampler.attn.${which}.${part}`) as (typeof all)[number]);
      const [rows = 0, ...rest] = thirds[0]?.shape ?? [];
      return { name: `resampler.attn.in_proj_${part}`, dtype: "F32", shape: [3 * rows, ...rest], data: Float32Array.from(thirds.flatMap(({ data }) => [...data])) };
    });
    const last = named.get("resampler.proj.weight") as (typeof all)[number];
    const width = last.shape[0] as number;
    const turned = { name: "resampler.proj", dtype: "F32" as const, shape: last.shape, data: last.data.map((_, i) => last.data[(i % width) * width + Math.floor(i / width)] as number) };
    const plain = all.filter(({ name }) => !/resampler\.(proj|attn\.[qkv]|pos_embed_k)/.test(name)).map((tensor) => ({ ...tensor, name: hubName(tensor.name) }));
    return [...plain, ...joint, turned];
  }

  it.each(["resampler", "resampler-tall"])("%s", async (name) => {
    const goldens = fileURLToPath(new URL(`./goldens/llama-rows/${name}`, import.meta.url));
    const read = JSON.parse(readFileSync(path.join(goldens, "case.json"), "utf8")) as RowsCase;
    const directory = path.join(folder, String(files++));
    await mkdir(directory);
    const { keys, width, height } = read;
    const vision = { model_type: "siglip", hidden_size: keys["embedding_length"], intermediate_size: keys["feed_forward_length"], num_hidden_layers: keys["block_count"], num_attention_heads: keys["attention.head_count"], patch_size: keys["patch_size"], image_size: 560 };
    await writeFile(path.join(directory, "config.json"), JSON.stringify({ model_type: "minicpmv", image_size: 64, drop_vision_last_layer: false, vision_config: vision }));
    await writeFile(path.join(directory, "preprocessor_config.json"), "{}");
    await writeSafetensors(path.join(directory, "model.safetensors"), checkpointTensors(read));
    const levels = seeded("picture", [height, width, 3]).map((value) => Math.floor((value + 1) * 128));
    const pixels = Float32Array.from({ length: 3 * height * width }, (_, i) => ((levels[(i % (height * width)) * 3 + Math.floor(i / (height * width))] as number) / 255 - 0.5) / 0.5);
    await using want = await openWeights(path.join(goldens, "outputs.safetensors"));
    const grid = { rows: height / 8, columns: width / 8 };
    expect(furthest(await rowsOf(directory, grid, pixels), await want.readFloat32("rows"))).toBeLessThan(5e-3);
  });
});
