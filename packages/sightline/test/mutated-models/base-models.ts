import { readFileSync } from "node:fs";
import { copyFile, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { writeGguf, type GgufValue, type TensorToWrite } from "@sightline/weights";
import { writeTinyModel } from "../../../decoder/test/tiny-model.js";
import { seeded } from "../../../projector/test/seeded.js";
import { miniFolder } from "../command.js";
import { readDocument, writeDocument } from "./gguf-document.js";

/** A file that is right, and the one that it is loaded with. */
export interface BaseModel {
  readonly name: string;
  readonly kind: "mmproj" | "decoder";
  readonly file: string;
  /** A decoder that fits an mmproj. */
  readonly decoder?: string;
  /** W of the mmproj that a decoder is for. */
  readonly width?: number;
}

interface RowsCase {
  readonly type: string;
  readonly keys: Readonly<Record<string, number>>;
  readonly tensors: readonly { readonly name: string; readonly shape: readonly number[]; readonly scale: number; readonly offset: number }[];
}

const u32 = (value: number): GgufValue => ({ type: "uint32", value });
const text = (value: string): GgufValue => ({ type: "string", value });

/** Writes the models that are mutated: mini, and tiny ones of the known projectors and of Gemma 3, Qwen2, Qwen3 and Qwen3-VL. */
export async function writeBaseModels(folder: string): Promise<BaseModel[]> {
  const at = (name: string): string => path.join(folder, `${name}.gguf`);
  await copyFile(path.join(miniFolder, "mmproj-mini.gguf"), at("mmproj-mini"));
  await copyFile(path.join(miniFolder, "mini-qwen3.gguf"), at("mini"));
  await writeGemma3(at("gemma3"), 20);
  await writeTinyModel(at("qwen3"), { width: 64 });
  await writeTinyModel(at("qwen3-f16"), { width: 64, layers: 3, dtype: "F16" });
  for (const architecture of ["qwen2", "llama"]) await writeWithoutHeadNorms(at(architecture), architecture);
  await writeTinyModel(at("qwen3vl"), {
    width: 20,
    tweak(metadata) {
      renameArchitecture(metadata, "qwen3vl");
      metadata.set("qwen3vl.rope.dimension_sections", { type: "array", of: "int32", value: [8, 4, 4, 0] });
      metadata.set("qwen3vl.n_deepstack_layers", u32(2));
    },
  });
  const projectors = ["gemma3", "idefics3", "mlp", "lfm2", "resampler", "qwen3vl_merger"];
  for (const name of projectors) await writeMmproj(at(`mmproj-${name}`), name);
  return [
    { name: "mmproj-mini", kind: "mmproj", file: at("mmproj-mini"), decoder: at("mini") },
    { name: "mini", kind: "decoder", file: at("mini"), width: 192 },
    ...projectors.map((name): BaseModel => ({ name: `mmproj-${name}`, kind: "mmproj", file: at(`mmproj-${name}`), ...(name === "gemma3" ? { decoder: at("gemma3") } : {}) })),
    { name: "gemma3", kind: "decoder", file: at("gemma3"), width: 20 },
    { name: "llama", kind: "decoder", file: at("llama"), width: 64 },
    { name: "qwen2", kind: "decoder", file: at("qwen2"), width: 64 },
    { name: "qwen3", kind: "decoder", file: at("qwen3"), width: 64 },
    { name: "qwen3-f16", kind: "decoder", file: at("qwen3-f16"), width: 64 },
    { name: "qwen3vl", kind: "decoder", file: at("qwen3vl"), width: 60 },
  ];
}

/** Qwen3's tiny model as an architecture that has no norms of queries and keys. */
async function writeWithoutHeadNorms(file: string, architecture: string): Promise<void> {
  await writeTinyModel(file, { width: 64, tweak: (metadata) => renameArchitecture(metadata, architecture) });
  const document = readDocument(await readFile(file));
  await writeFile(file, writeDocument({ ...document, tensors: document.tensors.filter(({ name }) => !/attn_[qk]_norm/.test(name.toString())) }).bytes);
}

function renameArchitecture(metadata: Map<string, GgufValue>, architecture: string): void {
  for (const [key, value] of [...metadata]) {
    if (!key.startsWith("qwen3.")) continue;
    metadata.delete(key);
    metadata.set(key.replace("qwen3.", `${architecture}.`), value);
  }
  metadata.set("general.architecture", text(architecture));
}

async function writeMmproj(file: string, name: string): Promise<void> {
  const golden = fileURLToPath(new URL(`../goldens/llama-rows/${name}/case.json`, import.meta.url));
  const { type, keys, tensors } = JSON.parse(readFileSync(golden, "utf8")) as RowsCase;
  const halves: GgufValue = { type: "array", of: "float32", value: [0.5, 0.5, 0.5] };
  const metadata: Record<string, GgufValue> = {
    "general.architecture": text("clip"),
    "clip.has_vision_encoder": { type: "bool", value: true },
    "clip.projector_type": text(type),
    "clip.use_gelu": { type: "bool", value: true },
    "clip.vision.attention.layer_norm_epsilon": { type: "float32", value: 1e-6 },
    "clip.vision.image_mean": halves,
    "clip.vision.image_std": halves,
    ...Object.fromEntries(Object.entries(keys).map(([key, value]): [string, GgufValue] => [`clip.vision.${key}`, u32(value)])),
  };
  await writeGguf(file, { metadata: Object.entries(metadata), tensors: tensors.map(({ scale, offset, ...tensor }): TensorToWrite => ({ ...tensor, dtype: "F32", data: seeded(tensor.name, tensor.shape, scale, offset) })) });
}

/** Gemma 3 with a SentencePiece vocabulary that falls back to bytes. */
async function writeGemma3(file: string, width: number): Promise<void> {
  const [layers, heads, headWidth, feedForward] = [6, 2, 16, 32];
  const bytes = Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`);
  const letters = [..."\u2581abcdefghijklmnopqrstuvwxyz.,?!"];
  const pairs = letters.flatMap((first) => ["a", "e", "n", "t"].map((second) => first + second));
  const special = ["<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>"];
  const tokens = [...special, ...bytes, ...letters, ...pairs];
  const matrix = (name: string, rows: number, columns: number): TensorToWrite => ({ name: `${name}.weight`, dtype: "F32", shape: [rows, columns], data: seeded(name, [rows, columns], 0.5) });
  const norm = (name: string, length: number): TensorToWrite => ({ name: `${name}.weight`, dtype: "F32", shape: [length], data: seeded(name, [length], 0.1, 1) });
  const tensors = [matrix("token_embd", tokens.length, width), norm("output_norm", width)];
  for (let layer = 0; layer < layers; layer++) {
    const at = (name: string): string => `blk.${layer}.${name}`;
    tensors.push(
      ...["attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm"].map((name) => norm(at(name), width)),
      ...["attn_q_norm", "attn_k_norm"].map((name) => norm(at(name), headWidth)),
      matrix(at("attn_q"), heads * headWidth, width),
      matrix(at("attn_k"), headWidth, width),
      matrix(at("attn_v"), headWidth, width),
      matrix(at("attn_output"), width, heads * headWidth),
      matrix(at("ffn_gate"), feedForward, width),
      matrix(at("ffn_up"), feedForward, width),
      matrix(at("ffn_down"), width, feedForward),
    );
  }
  const metadata: Record<string, GgufValue> = {
    "general.architecture": text("gemma3"),
    "gemma3.context_length": u32(512),
    "gemma3.embedding_length": u32(width),
    "gemma3.block_count": u32(layers),
    "gemma3.feed_forward_length": u32(feedForward),
    "gemma3.attention.head_count": u32(heads),
    "gemma3.attention.head_count_kv": u32(1),
    "gemma3.attention.key_length": u32(headWidth),
    "gemma3.attention.value_length": u32(headWidth),
    "gemma3.attention.sliding_window": u32(64),
    "gemma3.attention.layer_norm_rms_epsilon": { type: "float32", value: 1e-6 },
    "gemma3.rope.freq_base": { type: "float32", value: 1e6 },
    "tokenizer.ggml.model": text("llama"),
    "tokenizer.ggml.pre": text("default"),
    "tokenizer.ggml.tokens": { type: "array", of: "string", value: tokens },
    "tokenizer.ggml.scores": { type: "array", of: "float32", value: tokens.map((_, id) => -id) },
    "tokenizer.ggml.token_type": { type: "array", of: "int32", value: tokens.map((_, id) => (id === 3 ? 2 : id < special.length ? 3 : id < special.length + 256 ? 6 : 1)) },
    "tokenizer.ggml.bos_token_id": u32(2),
    "tokenizer.ggml.eos_token_id": u32(1),
    "tokenizer.ggml.unknown_token_id": u32(3),
    "tokenizer.ggml.padding_token_id": u32(0),
    "tokenizer.ggml.add_bos_token": { type: "bool", value: true },
    "tokenizer.chat_template": text("{{ messages[0]['content'] }}"),
  };
  await writeGguf(file, { metadata: Object.entries(metadata), tensors });
}
