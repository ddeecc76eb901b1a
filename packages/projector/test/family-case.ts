import { readFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { openWeights, writeGguf, writeSafetensors, type GgufValue, type TensorToWrite, type WeightSource } from "@sightline/weights";
import { seeded } from "./seeded.js";

/** What tools/reference/projectors wrote of one model: its config, its tensors' names and shapes, and results. */
export interface FamilyCase {
  readonly config: Readonly<Record<string, unknown>>;
  readonly tensors: readonly { readonly name: string; readonly shape: readonly number[]; readonly scale: number; readonly offset: number }[];
  readonly images?: readonly { readonly height: number; readonly width: number; readonly views: number; readonly rows: number }[];
  readonly grids?: readonly (readonly [number, number])[];
}

function goldenPath(name: string): string {
  return fileURLToPath(new URL(`./goldens/${name}`, import.meta.url));
}

export function familyCase(name: string): FamilyCase {
  return JSON.parse(readFileSync(goldenPath(`${name}/case.json`), "utf8")) as FamilyCase;
}

/** One of a case's results, float32. */
export async function golden(name: string, tensor: string): Promise<{ readonly shape: readonly number[]; readonly data: Float32Array }> {
  await using source = await openWeights(goldenPath(`${name}/outputs.safetensors`));
  return { shape: source.tensors.get(tensor)?.shape ?? [], data: await source.readFloat32(tensor) };
}

export function tensorsOf({ tensors }: FamilyCase): TensorToWrite[] {
  return tensors.map(({ name, shape, scale, offset }) => ({ name, dtype: "F32", shape, data: seeded(name, shape, scale, offset) }));
}

/** The model as a Hugging Face directory, its names changed by `rename`. */
export async function writeCheckpoint(directory: string, model: FamilyCase, rename: (name: string) => string = (name) => name): Promise<WeightSource> {
  await mkdir(directory, { recursive: true });
  await writeFile(path.join(directory, "config.json"), JSON.stringify(model.config));
  await writeSafetensors(path.join(directory, "model.safetensors"), tensorsOf(model).map((tensor) => ({ ...tensor, name: rename(tensor.name) })));
  return openWeights(directory);
}

/** The tower's names in a GGUF, written down apart from the code under test; others stay. */
export function ggufTowerName(name: string): string {
  return name
    .replace(/^(vision_tower|vision_model)\.embeddings\.patch_embedding/, "v.patch_embd")
    .replace(/^(vision_tower|vision_model)\.embeddings\.position_embedding/, "v.position_embd")
    .replace(/^(vision_tower|vision_model)\.post_layernorm/, "v.post_ln")
    .replace(/^(vision_tower|vision_model)\.encoder\.layers/, "v.blk")
    .replace("layer_norm", "ln")
    .replace(/self_attn\.out_proj/, "attn_out")
    .replace(/self_attn\.([qkv])_proj/, "attn_$1")
    .replace("mlp.fc1", "ffn_up")
    .replace("mlp.fc2", "ffn_down");
}

const u32 = (value: number): GgufValue => ({ type: "uint32", value });
const floats = (...value: number[]): GgufValue => ({ type: "array", of: "float32", value });

/** The model as an mmproj GGUF, each tensor changed by `convert`. */
export async function writeMmproj(file: string, model: FamilyCase, type: string, convert: (tensor: TensorToWrite) => TensorToWrite, more: Readonly<Record<string, GgufValue>> = {}): Promise<WeightSource> {
  const vision = model.config["vision_config"] as Readonly<Record<string, number>>;
  const metadata: Record<string, GgufValue> = {
    "general.architecture": { type: "string", value: "clip" },
    "clip.has_vision_encoder": { type: "bool", value: true },
    "clip.projector_type": { type: "string", value: type },
    "clip.use_gelu": { type: "bool", value: true },
    "clip.vision.image_size": u32(vision["image_size"] ?? 64),
    "clip.vision.patch_size": u32(vision["patch_size"] as number),
    "clip.vision.embedding_length": u32(vision["hidden_size"] as number),
    "clip.vision.feed_forward_length": u32(vision["intermediate_size"] as number),
    "clip.vision.block_count": u32(vision["num_hidden_layers"] as number),
    "clip.vision.attention.head_count": u32(vision["num_attention_heads"] as number),
    "clip.vision.attention.layer_norm_epsilon": { type: "float32", value: vision["layer_norm_eps"] as number },
    "clip.vision.image_mean": floats(0.5, 0.5, 0.5),
    "clip.vision.image_std": floats(0.5, 0.5, 0.5),
    ...more,
  };
  await writeGguf(file, { metadata: Object.entries(metadata), tensors: tensorsOf(model).map(convert) });
  return openWeights(file);
}
