import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { Graph, openSession } from "@sightline/graph";
import type { GgufValue, TensorToWrite, WeightSource } from "@sightline/weights";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { ProjectorError, projectorFromCheckpoint, projectorFromMmproj, type PatchGrid, type Projector } from "../src/index.js";
import { familyCase, golden, ggufTowerName, writeCheckpoint, writeMmproj } from "./family-case.js";

// Reference: transformers 5.23 in float32, by tools/reference/projectors.
const tolerance = 2e-4;

let folder: string;
let files = 0;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "families-test-"));
});
afterAll(() => rm(folder, { recursive: true }));

const fresh = (suffix = ""): string => path.join(folder, `${files++}${suffix}`);

/** Rows of a projector over a file's weights. */
async function rowsOf(source: WeightSource, projector: Projector, tokens: { shape: readonly number[]; data: Float32Array }, grid: PatchGrid): Promise<Float32Array> {
  const graph = new Graph();
  const weights = new Map<string, Float32Array>();
  for (const name of source.tensors.keys()) weights.set(name, await source.readFloat32(name));
  const input = graph.input("tokens", "float32", ["B", ...tokens.shape.slice(1)]);
  const known = new Map<string, ReturnType<Graph["weight"]>>();
  const rows = projector.build(input, grid, (name, shape) => {
    const tensor = known.get(name) ?? graph.weight(name, "float32", shape, weights.get(name) as Float32Array);
    known.set(name, tensor);
    return tensor;
  });
  expect(rows.shape).toEqual(["B", projector.tokens(grid), projector.outputWidth]);
  graph.output("rows", rows);
  await using session = await openSession(graph, { device: "cpu", threads: 1 });
  return (await session.run({ tokens: { dtype: "float32", ...tokens } }))["rows"]?.data as Float32Array;
}

function furthest(got: Float32Array, want: Float32Array): number {
  expect(got.length).toBe(want.length);
  return got.reduce((most, value, i) => Math.max(most, Math.abs(value - (want[i] as number))), 0);
}

const square: PatchGrid = { rows: 8, columns: 8 };
const factor: Record<string, GgufValue> = { "clip.vision.projector.scale_factor": { type: "uint32", value: 2 } };
const rename = (from: string, to: string) => (tensor: TensorToWrite): TensorToWrite => ({ ...tensor, name: ggufTowerName(tensor.name).replace(from, to) });

const renameLayers = (names: Readonly<Record<string, string>>) => (tensor: TensorToWrite): TensorToWrite => {
  const layer = Object.keys(names).find((name) => tensor.name.startsWith(`${name}.`) || tensor.name === name);
  return { ...tensor, name: layer === undefined ? ggufTowerName(tensor.name) : tensor.name.replace(layer, names[layer] as string) };
};

interface Family {
  readonly model: string;
  readonly type: string;
  /** Names that files of the Hub have. */
  readonly hub: (name: string) => string;
  readonly convert: (tensor: TensorToWrite) => TensorToWrite;
  readonly more?: Readonly<Record<string, GgufValue>>;
}

const hubTower = (name: string): string => name.replace(/^vision_tower\./, "vision_tower.vision_model.");

const families: readonly Family[] = [
  {
    model: "gemma3",
    type: "gemma3",
    hub: hubTower,
    // A GGUF stores the norm with its 1.
    convert: (tensor) => {
      const renamed = renameLayers({ "multi_modal_projector.mm_input_projection_weight": "mm.input_projection.weight", "multi_modal_projector.mm_soft_emb_norm": "mm.soft_emb_norm" })(tensor);
      return tensor.name.includes("soft_emb_norm") ? { ...renamed, data: (tensor.data as Float32Array).map((value) => value + 1) } : renamed;
    },
    more: factor,
  },
  { model: "paligemma", type: "linear", hub: hubTower, convert: rename("multi_modal_projector.linear", "mm.0") },
  { model: "llava", type: "mlp", hub: hubTower, convert: renameLayers({ "multi_modal_projector.linear_1": "mm.0", "multi_modal_projector.linear_2": "mm.2" }) },
  { model: "idefics3", type: "idefics3", hub: (name) => `model.${name}`, convert: rename("connector.modality_projection.proj", "mm.model.fc"), more: factor },
];

describe.each(families)("$model, held against transformers", ({ model, type, hub, convert, more }) => {
  const read = familyCase(model);

  it("from its safetensors", async () => {
    await using source = await writeCheckpoint(fresh(), read);
    const [tokens, rows] = [await golden(model, "patch_tokens"), await golden(model, "rows")];
    const projector = projectorFromCheckpoint(source, read.config);
    expect(projector).toMatchObject({ type, outputWidth: 20 });
    expect([2, projector.tokens(square), 20]).toEqual(rows.shape);
    expect(furthest(await rowsOf(source, projector, tokens, square), rows.data)).toBeLessThan(tolerance);
  });

  it("from safetensors that are called as on the Hub", async () => {
    await using source = await writeCheckpoint(fresh(), read, hub);
    const [tokens, rows] = [await golden(model, "patch_tokens"), await golden(model, "rows")];
    expect(furthest(await rowsOf(source, projectorFromCheckpoint(source, read.config), tokens, square), rows.data)).toBeLessThan(tolerance);
  });

  it("from an mmproj GGUF", async () => {
    await using source = await writeMmproj(fresh(".gguf"), read, type, convert, more);
    const [tokens, rows] = [await golden(model, "patch_tokens"), await golden(model, "rows")];
    const projector = projectorFromMmproj(source, { gelu: "erf" });
    expect(furthest(await rowsOf(source, projector, tokens, square), rows.data)).toBeLessThan(tolerance);
  });
});

describe.each(["lfm2_vl", "lfm2_vl-no-norm"])("%s, held against transformers", (model) => {
  const read = familyCase(model);
  const convert = renameLayers({ "multi_modal_projector.linear_1": "mm.1", "multi_modal_projector.linear_2": "mm.2", "multi_modal_projector.layer_norm": "mm.input_norm" });

  it.each(read.grids ?? [])("on a grid of %i x %i patches, from both formats", async (rows, columns) => {
    const grid = { rows, columns };
    const [tokens, want] = [await golden(model, `patch_tokens ${rows}x${columns}`), await golden(model, `rows ${rows}x${columns}`)];
    await using checkpoint = await writeCheckpoint(fresh(), read, hubTower);
    expect(furthest(await rowsOf(checkpoint, projectorFromCheckpoint(checkpoint, read.config), tokens, grid), want.data)).toBeLessThan(tolerance);
    await using mmproj = await writeMmproj(fresh(".gguf"), read, "lfm2", convert, factor);
    expect(furthest(await rowsOf(mmproj, projectorFromMmproj(mmproj, { gelu: "erf" }), tokens, grid), want.data)).toBeLessThan(tolerance);
  });
});

describe("projectorFromCheckpoint", () => {
  it("lists the known model types for another one", async () => {
    await using source = await writeCheckpoint(fresh(), familyCase("paligemma"));
    expect(() => projectorFromCheckpoint(source, { model_type: "fuyu" })).toThrow(/model_type is "fuyu"; known: gemma3, idefics3, lfm2_vl, llava, llava_onevision, minicpmv, paligemma, qwen3_vl, qwen3_vl_moe, smolvlm$/);
    expect(() => projectorFromCheckpoint(source, null)).toThrow(/model_type is missing; known/);
    expect(() => projectorFromCheckpoint(source, { model_type: "constructor" })).toThrow(ProjectorError);
  });

  it("names a tensor that is not there, or there twice", async () => {
    const read = familyCase("paligemma");
    await using source = await writeCheckpoint(fresh(), read, (name) => name.replace("linear", "line"));
    expect(() => projectorFromCheckpoint(source, read.config)).toThrow(/needs one tensor called "multi_modal_projector.linear.weight", got none/);
    const twice = { ...read, tensors: [...read.tensors, { name: "ema.multi_modal_projector.linear.weight", shape: [20, 32], scale: 1, offset: 0 }] };
    await using doubled = await writeCheckpoint(fresh(), twice);
    expect(() => projectorFromCheckpoint(doubled, read.config)).toThrow(/got .*multi_modal_projector.linear.weight, .*multi_modal_projector.linear.weight/);
  });

  it.each([
    ["gemma3", { mm_tokens_per_image: 2.5 }, /config.json: expected mm_tokens_per_image to be a whole number of at least 1, got 2.5/],
    ["gemma3", { vision_config: { layer_norm_eps: 0 } }, /expected vision_config.layer_norm_eps to be a positive number, got 0/],
    ["idefics3", { scale_factor: 0 }, /expected scale_factor to be a whole number of at least 1, got 0/],
    ["llava", { projector_hidden_act: "relu" }, /expected projector_hidden_act to be "gelu" or "gelu_pytorch_tanh", got "relu"/],
  ])("refuses %s with %o", async (model, change, message) => {
    const read = familyCase(model);
    await using source = await writeCheckpoint(fresh(), read);
    expect(() => projectorFromCheckpoint(source, { ...read.config, ...change })).toThrow(message);
  });
});
