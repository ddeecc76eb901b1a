import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { Graph, openSession } from "@sightline/graph";
import { openWeights, WeightsError, writeGguf, type GgufValue, type TensorToWrite, type WeightSource } from "@sightline/weights";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { patchesOf, readMmprojVision, siglipPatchTokens, weightParameters, type SiglipVisionConfig } from "../src/index.js";
import { loadSiglipConfig } from "../src/config/load-siglip-config.js";
import { goldenTensors } from "./golden-tensors.js";
import { goldenPath } from "./goldens.js";

// Reference: transformers' SiglipModel in float32, by tools/reference/siglip.
const patchTolerance = 2e-4;
const model = "siglip-float16";
const outputs = goldenTensors(`${model}/outputs.safetensors`);

const u32 = (value: number): GgufValue => ({ type: "uint32", value });
const floats = (...value: number[]): GgufValue => ({ type: "array", of: "float32", value });

/** Hugging Face's names to GGUF's, written down apart from the code under test. */
function ggufName(name: string): string | undefined {
  const block = /^vision_model\.encoder\.layers\.(\d+)\.(.*)\.(weight|bias)$/.exec(name);
  if (block) {
    const part = {
      layer_norm1: "ln1",
      layer_norm2: "ln2",
      "self_attn.q_proj": "attn_q",
      "self_attn.k_proj": "attn_k",
      "self_attn.v_proj": "attn_v",
      "self_attn.out_proj": "attn_out",
      "mlp.fc1": "ffn_up",
      "mlp.fc2": "ffn_down",
    }[block[2] as string];
    return `v.blk.${block[1]}.${part}.${block[3]}`;
  }
  return {
    "vision_model.embeddings.patch_embedding.weight": "v.patch_embd.weight",
    "vision_model.embeddings.patch_embedding.bias": "v.patch_embd.bias",
    "vision_model.embeddings.position_embedding.weight": "v.position_embd.weight",
    "vision_model.post_layernorm.weight": "v.post_ln.weight",
    "vision_model.post_layernorm.bias": "v.post_ln.bias",
  }[name];
}

let folder: string;
let config: SiglipVisionConfig;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "mmproj-test-"));
  config = (await loadSiglipConfig(goldenPath(model))).config.vision;
});
afterAll(() => rm(folder, { recursive: true }));

let files = 0;

interface Change {
  readonly metadata?: Readonly<Record<string, GgufValue | undefined>>;
  readonly rename?: (name: string) => string | undefined;
  readonly more?: readonly TensorToWrite[];
}

/** The golden's vision tower as an mmproj GGUF, with changes. `undefined` leaves a key or a tensor out. */
async function mmproj({ metadata = {}, rename = (name) => name, more = [] }: Change = {}): Promise<WeightSource> {
  await using source = await openWeights(goldenPath(model));
  const tensors: TensorToWrite[] = [...more];
  for (const { name, dtype, shape } of source.tensors.values()) {
    const known = ggufName(name);
    const written = known === undefined ? undefined : rename(known);
    if (written !== undefined) tensors.push({ name: written, dtype, shape, data: await source.readBytes(name) });
  }
  const values: Record<string, GgufValue | undefined> = {
    "general.architecture": { type: "string", value: "clip" },
    "clip.has_vision_encoder": { type: "bool", value: true },
    "clip.projector_type": { type: "string", value: "idefics3" },
    "clip.use_gelu": { type: "bool", value: true },
    "clip.vision.image_size": u32(config.imageSize),
    "clip.vision.patch_size": u32(config.patchSize),
    "clip.vision.embedding_length": u32(config.width),
    "clip.vision.feed_forward_length": u32(config.mlpWidth),
    "clip.vision.block_count": u32(config.layers),
    "clip.vision.attention.head_count": u32(config.heads),
    "clip.vision.attention.layer_norm_epsilon": { type: "float32", value: config.layerNormEps },
    "clip.vision.image_mean": floats(0.5, 0.25, 0.125),
    "clip.vision.image_std": floats(0.5, 0.5, 1),
    ...metadata,
  };
  const file = path.join(folder, `mmproj-${files++}.gguf`);
  await writeGguf(file, { metadata: Object.entries(values).filter((entry): entry is [string, GgufValue] => entry[1] !== undefined), tensors });
  return openWeights(file);
}

/** Patch tokens of the golden's pixels, by a tower whose parameters come from `source`. */
async function patchTokens(source: WeightSource, of: SiglipVisionConfig, postLayerNorm: boolean, rename?: (name: string) => string): Promise<Float32Array> {
  const graph = new Graph();
  const pixels = graph.input("pixels", "float32", ["B", 3, of.imageSize, of.imageSize]);
  graph.output("tokens", siglipPatchTokens(patchesOf(pixels, of.patchSize), weightParameters(graph, source, rename), of, { fused: true, postLayerNorm }));
  await using session = await openSession(graph, { device: "cpu", threads: 1 });
  const pixelValues = outputs.get("pixel_values");
  const { tokens } = await session.run({ pixels: { dtype: "float32", shape: pixelValues?.shape ?? [], data: pixelValues?.data as Float32Array } });
  return tokens?.data as Float32Array;
}

async function fromMmproj(change: Change): Promise<Float32Array> {
  await using source = await mmproj(change);
  const { config: read, postLayerNorm, rename } = readMmprojVision(source);
  return await patchTokens(source, read, postLayerNorm, rename);
}

/** The same from the safetensors, with fewer blocks or without the last norm. */
async function fromSafetensors(layers: number, postLayerNorm: boolean): Promise<Float32Array> {
  await using source = await openWeights(goldenPath(model));
  return await patchTokens(source, { ...config, layers }, postLayerNorm);
}

function furthest(got: Float32Array, want: Float32Array): number {
  expect(got.length).toBe(want.length);
  return got.reduce((most, value, i) => Math.max(most, Math.abs(value - (want[i] as number))), 0);
}

const golden = outputs.get("patch_tokens")?.data as Float32Array;
const swapFfn = (name: string): string => name.replace(/ffn_(up|down)/, (_, which: string) => (which === "up" ? "ffn_down" : "ffn_up"));
type Metadata = NonNullable<Change["metadata"]>;
const featureLayer = (...layers: number[]): Metadata => ({ "clip.vision.feature_layer": { type: "array", of: "int32", value: layers } });
const projector = (type: string): Metadata => ({ "clip.projector_type": { type: "string", value: type } });

describe("a SigLIP tower in an mmproj GGUF", () => {
  it("gives transformers' patch tokens", async () => {
    expect(furthest(await fromMmproj({}), golden)).toBeLessThan(patchTolerance);
  });

  it("is read right where ffn_up and ffn_down are swapped, as older files have them", async () => {
    expect(furthest(await fromMmproj({ rename: swapFfn }), golden)).toBeLessThan(patchTolerance);
  });

  it("has no last norm when the file has none", async () => {
    const tokens = await fromMmproj({ rename: (name) => (name.startsWith("v.post_ln") ? undefined : name) });
    expect(furthest(tokens, await fromSafetensors(config.layers, false))).toBe(0);
    expect(furthest(tokens, golden)).toBeGreaterThan(0.01);
  });

  it("ends before the last block for LLaVA's mlp, which llama.cpp leaves out", async () => {
    const tokens = await fromMmproj({ metadata: projector("mlp") });
    expect(furthest(tokens, await fromSafetensors(config.layers - 1, true))).toBe(0);
    expect(furthest(tokens, golden)).toBeGreaterThan(0.01);
  });

  it("ends after the block that feature_layer names, for mlp too", async () => {
    expect(furthest(await fromMmproj({ metadata: { ...projector("mlp"), ...featureLayer(config.layers) } }), golden)).toBeLessThan(patchTolerance);
    expect(furthest(await fromMmproj({ metadata: featureLayer(1) }), await fromSafetensors(1, true))).toBe(0);
  });

  it("brings its own mean and deviation, and the filter of its type", async () => {
    await using source = await mmproj();
    expect(readMmprojVision(source).preprocessing).toEqual({
      width: config.imageSize,
      height: config.imageSize,
      filter: "lanczos",
      rescale: 1 / 255,
      mean: [0.5, 0.25, 0.125],
      std: [0.5, 0.5, 1],
    });
    await using mlp = await mmproj({ metadata: projector("mlp") });
    expect(readMmprojVision(mlp).preprocessing.filter).toBe("bicubic");
  });
});

describe("readMmprojVision", () => {
  const bool = (value: boolean): GgufValue => ({ type: "bool", value });
  it.each<[string, Metadata, RegExp]>([
    ["a GGUF that is no mmproj", { "general.architecture": { type: "string", value: "qwen3" } }, /expected an mmproj GGUF \(general\.architecture "clip"\), got "qwen3"/],
    ["a file without a vision encoder", { "clip.has_vision_encoder": undefined }, /has no vision encoder \(clip\.has_vision_encoder\)/],
    ["another activation", { "clip.use_gelu": bool(false), "clip.use_silu": bool(true) }, /does not use tanh GELU \(clip\.use_gelu\), so it is no SigLIP tower/],
    ["a missing key", { "clip.vision.block_count": undefined }, /expected clip\.vision\.block_count to be a positive number, got nothing/],
    ["a count of the wrong type", { "clip.vision.patch_size": { type: "string", value: "14" } }, /clip\.vision\.patch_size to be a positive number, got "14"/],
    ["a fraction", { "clip.vision.embedding_length": { type: "float32", value: 64.5 } }, /clip\.vision\.embedding_length to be a whole number, got 64\.5/],
    ["heads that do not divide the width", { "clip.vision.attention.head_count": u32(5) }, /to be a multiple of clip\.vision\.attention\.head_count, got 64 and 5/],
    ["patches larger than the image", { "clip.vision.patch_size": u32(500) }, /clip\.vision\.patch_size to be at most clip\.vision\.image_size, got 500 and/],
    ["a mean of one number", { "clip.vision.image_mean": floats(0.5) }, /clip\.vision\.image_mean to be three numbers, got \[0\.5\]/],
    ["a deviation of zero", { "clip.vision.image_std": floats(0.5, 0, 0.5) }, /clip\.vision\.image_std to be above 0, got \[0\.5,0,0\.5\]/],
    ["several feature layers", featureLayer(1, 2), /feature_layer: expected one layer from 1 to \d+, got \[1,2\]/],
    ["a feature layer beyond the last", featureLayer(99), /feature_layer: expected one layer from 1 to \d+, got \[99\]/],
    ["grouped heads", { "clip.vision.attention.head_count_kv": u32(1) }, /holds "clip\.vision\.attention\.head_count_kv", which no SigLIP tower has/],
  ])("refuses %s", async (_, metadata, message) => {
    await using source = await mmproj({ metadata });
    expect(() => readMmprojVision(source)).toThrow(WeightsError);
    expect(() => readMmprojVision(source)).toThrow(message);
  });

  it.each(["v.class_embd", "v.pre_ln.weight", "v.blk.0.attn_qkv.weight"])("refuses a tower with %s", async (name) => {
    await using source = await mmproj({ more: [{ name, dtype: "F32", shape: [2], data: Float32Array.of(1, 2) }] });
    expect(() => readMmprojVision(source)).toThrow(`holds "${name}", which no SigLIP tower has; only SigLIP towers are known`);
  });

  it("refuses safetensors", async () => {
    await using source = await openWeights(goldenPath(model));
    expect(() => readMmprojVision(source)).toThrow(/expected an mmproj GGUF/);
  });

  it("leaves a missing or misshapen tensor to the builder, which names it as the file does", async () => {
    await expect(fromMmproj({ rename: (name) => (name === "v.blk.1.attn_q.bias" ? undefined : name) })).rejects.toThrow(/needs the tensor "v\.blk\.1\.attn_q\.bias" \[64\], which is not there/);
    await expect(fromMmproj({ metadata: { "clip.vision.feed_forward_length": u32(7) } })).rejects.toThrow(/"v\.blk\.0\.ffn_up\.weight": expected the shape \[7, 64\] by the configuration, got \[\d+, 64\]/);
  });
});
