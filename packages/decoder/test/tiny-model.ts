import { writeGguf, type GgufValue, type TensorToWrite } from "@sightline/weights";
import { tokenizerMetadata, vocabularySizeOf, type Metadata } from "./tiny-tokenizers.js";

export { endOfText, imEnd, imStart, vocabularySize } from "./tiny-tokenizers.js";

/** A qwen3 model, small enough to write in a test, with a byte-level BPE tokenizer and seeded random weights. */
export interface TinyModel {
  readonly seed?: number;
  /** E. Default 64. */
  readonly width?: number;
  readonly layers?: number;
  readonly heads?: number;
  /** Default 32. */
  readonly headWidth?: number;
  readonly feedForward?: number;
  readonly dtype?: "F32" | "F16";
  readonly trainContextLength?: number;
  readonly chatTemplate?: string;
  /** A byte-level one when left out. */
  readonly tokenizer?: Metadata;
  /** Replaces the random behaviour: after token `from` comes token `to`, whatever came before. */
  readonly successors?: ReadonlyMap<number, number>;
  /** Makes every weight of the last norm this value. */
  readonly outputNorm?: number;
  readonly tweak?: (metadata: Map<string, GgufValue>) => void;
}

const text = (value: string): GgufValue => ({ type: "string", value });
const count = (value: number): GgufValue => ({ type: "uint32", value });

/** mulberry32: seeded numbers from 0 to 1. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** Writes the model and returns its token embeddings, `float32[V, E]`. */
export async function writeTinyModel(file: string, model: TinyModel = {}): Promise<Float32Array> {
  const { seed = 1, width = 64, layers = 2, heads = 2, headWidth = 32, feedForward = 128, dtype = "F32", trainContextLength = 512, tokenizer = tokenizerMetadata } = model;
  const vocabularySize = vocabularySizeOf(tokenizer);
  const random = seededRandom(seed);
  const normal = (length: number, scale: number): Float32Array =>
    Float32Array.from({ length }, () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random()) * scale);
  const tensors: TensorToWrite[] = [];
  const matrix = (name: string, rows: number, columns: number, data: Float32Array): void => {
    tensors.push({ name, dtype, shape: [rows, columns], data });
  };
  const vector = (name: string, length: number, value: number): void => {
    tensors.push({ name, dtype: "F32", shape: [length], data: new Float32Array(length).fill(value) });
  };
  // A chain of successors needs layers that add nothing: the last token's embedding alone decides.
  const silent = model.successors === undefined ? 1 : 0;
  const embeddings = normal(vocabularySize * width, 1);
  matrix("token_embd.weight", vocabularySize, width, embeddings);
  vector("output_norm.weight", width, model.outputNorm ?? 1);
  if (model.successors !== undefined) {
    const output = new Float32Array(vocabularySize * width);
    for (const [from, to] of model.successors) {
      for (let i = 0; i < width; i++) output[to * width + i] = (output[to * width + i] ?? 0) + (embeddings[from * width + i] ?? 0);
    }
    matrix("output.weight", vocabularySize, width, output);
  }
  for (let layer = 0; layer < layers; layer++) {
    const name = (part: string): string => `blk.${layer}.${part}.weight`;
    vector(name("attn_norm"), width, 1);
    vector(name("attn_q_norm"), headWidth, 1);
    vector(name("attn_k_norm"), headWidth, 1);
    vector(name("ffn_norm"), width, 1);
    matrix(name("attn_q"), heads * headWidth, width, normal(heads * headWidth * width, width ** -0.5));
    matrix(name("attn_k"), heads * headWidth, width, normal(heads * headWidth * width, width ** -0.5));
    matrix(name("attn_v"), heads * headWidth, width, normal(heads * headWidth * width, width ** -0.5));
    matrix(name("attn_output"), width, heads * headWidth, normal(width * heads * headWidth, silent * 3 * width ** -0.5));
    matrix(name("ffn_gate"), feedForward, width, normal(feedForward * width, width ** -0.5));
    matrix(name("ffn_up"), feedForward, width, normal(feedForward * width, width ** -0.5));
    matrix(name("ffn_down"), width, feedForward, normal(width * feedForward, silent * 3 * feedForward ** -0.5));
  }
  const metadata = new Map<string, GgufValue>([
    ["general.architecture", text("qwen3")],
    ["general.name", text("tiny")],
    ["qwen3.block_count", count(layers)],
    ["qwen3.context_length", count(trainContextLength)],
    ["qwen3.embedding_length", count(width)],
    ["qwen3.feed_forward_length", count(feedForward)],
    ["qwen3.attention.head_count", count(heads)],
    ["qwen3.attention.head_count_kv", count(heads)],
    ["qwen3.attention.key_length", count(headWidth)],
    ["qwen3.attention.value_length", count(headWidth)],
    ["qwen3.attention.layer_norm_rms_epsilon", { type: "float32", value: 1e-6 }],
    ["qwen3.rope.freq_base", { type: "float32", value: 10000 }],
    ...tokenizer,
  ]);
  if (model.chatTemplate !== undefined) metadata.set("tokenizer.chat_template", text(model.chatTemplate));
  model.tweak?.(metadata);
  await writeGguf(file, { metadata, tensors });
  return embeddings;
}
