import { writeGguf, type GgufValue, type TensorToWrite } from "@sightline/weights";
import { seededRandom, vocabularySize } from "../../../../decoder/test/tiny-model.js";
import { tokenizerMetadata } from "../../../../decoder/test/tiny-tokenizers.js";

export type TinyArchitecture = "qwen3" | "qwen2" | "llama" | "gemma3";

const text = (value: string): GgufValue => ({ type: "string", value });
const count = (value: number): GgufValue => ({ type: "uint32", value });
const float = (value: number): GgufValue => ({ type: "float32", value });

const [width, heads, keyValueHeads, mlpWidth] = [48, 4, 2, 96];
/** Gemma's every sixth layer sees everything; the others, this many places. */
export const window = 8;

/** A decoder of an architecture with grouped keys and values, random weights, and all that is special about it, as a GGUF of llama.cpp. */
export async function writeTinyDecoder(file: string, architecture: TinyArchitecture, changes: (metadata: Map<string, GgufValue>, tensors: TensorToWrite[]) => void = () => undefined): Promise<void> {
  const layers = architecture === "gemma3" ? 7 : 2;
  // llama.cpp takes Qwen2's heads to be the width's parts.
  const headWidth = architecture === "qwen2" ? width / heads : 16;
  const random = seededRandom(architecture.length * 7 + 1);
  const normal = (length: number, deviation: number, mean = 0): Float32Array =>
    Float32Array.from({ length }, () => mean + Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random()) * deviation);
  const tensors: TensorToWrite[] = [];
  const matrix = (name: string, rows: number, columns: number, factor = 1): void => void tensors.push({ name: `${name}.weight`, dtype: "F32", shape: [rows, columns], data: normal(rows * columns, factor / Math.sqrt(columns)) });
  const vector = (name: string, length: number, mean = 1): void => void tensors.push({ name, dtype: "F32", shape: [length], data: normal(length, 0.2, mean) });
  matrix("token_embd", vocabularySize, width, 1.5);
  vector("output_norm.weight", width);
  if (architecture === "llama") {
    matrix("output", vocabularySize, width, 3);
    tensors.push({ name: "rope_freqs.weight", dtype: "F32", shape: [headWidth / 2], data: Float32Array.from({ length: headWidth / 2 }, (_, i) => 1 + i) });
  }
  for (let i = 0; i < layers; i++) {
    const block = `blk.${i}`;
    for (const norm of ["attn_norm", "ffn_norm", ...(architecture === "gemma3" ? ["post_attention_norm", "post_ffw_norm"] : [])]) vector(`${block}.${norm}.weight`, width);
    if (architecture === "qwen3" || architecture === "gemma3") for (const norm of ["attn_q_norm", "attn_k_norm"]) vector(`${block}.${norm}.weight`, headWidth);
    for (const [name, rows] of [["q", heads], ["k", keyValueHeads], ["v", keyValueHeads]] as const) {
      matrix(`${block}.attn_${name}`, rows * headWidth, width, 2);
      if (architecture === "qwen2") vector(`${block}.attn_${name}.bias`, rows * headWidth, 0);
    }
    matrix(`${block}.attn_output`, width, heads * headWidth);
    matrix(`${block}.ffn_gate`, mlpWidth, width);
    matrix(`${block}.ffn_up`, mlpWidth, width);
    matrix(`${block}.ffn_down`, width, mlpWidth);
  }
  const metadata = new Map<string, GgufValue>([
    ["general.architecture", text(architecture)],
    ["general.name", text("tiny")],
    [`${architecture}.block_count`, count(layers)],
    [`${architecture}.context_length`, count(512)],
    [`${architecture}.embedding_length`, count(width)],
    [`${architecture}.feed_forward_length`, count(mlpWidth)],
    [`${architecture}.attention.head_count`, count(heads)],
    [`${architecture}.attention.head_count_kv`, count(keyValueHeads)],
    [`${architecture}.attention.key_length`, count(headWidth)],
    [`${architecture}.attention.value_length`, count(headWidth)],
    [`${architecture}.attention.layer_norm_rms_epsilon`, float(1e-6)],
    [`${architecture}.rope.freq_base`, float(architecture === "gemma3" ? 1e6 : 10_000)],
    ...(architecture === "gemma3" ? [["gemma3.attention.sliding_window", count(window)] as const] : []),
    ...(architecture === "llama" ? [["llama.vocab_size", count(vocabularySize)] as const, ["llama.rope.dimension_count", count(headWidth)] as const] : []),
    ...tokenizerMetadata,
  ]);
  changes(metadata, tensors);
  await writeGguf(file, { metadata, tensors });
}
