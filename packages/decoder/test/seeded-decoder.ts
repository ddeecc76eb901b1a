import { writeGguf, type GgufValue, type TensorToWrite } from "@sightline/weights";
import { seeded } from "../../projector/test/seeded.js";
import { tokenizerMetadata, vocabularySizeOf, type Metadata } from "./tiny-tokenizers.js";

export const uint = (value: number): GgufValue => ({ type: "uint32", value });
export const float = (value: number): GgufValue => ({ type: "float32", value });

/** transformers' names of a block's norms to those of a GGUF. */
export const plainNorms = { input_layernorm: "attn_norm", post_attention_layernorm: "ffn_norm" };
export const gemma2Norms = { input_layernorm: "attn_norm", post_attention_layernorm: "post_attention_norm", pre_feedforward_layernorm: "ffn_norm", post_feedforward_layernorm: "post_ffw_norm" };
export const headNorms = { "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm" };

/** A decoder of three blocks whose weights are seeded by transformers' names, so that a reference makes the same. */
export interface SeededDecoder {
  readonly architecture: string;
  /** What stands before the names that the weights are seeded by. */
  readonly prefix: string;
  /** Norms multiply by 1 + w in transformers and are stored with the 1. */
  readonly plusOne?: boolean;
  /** One table for hearing and saying. */
  readonly tied?: boolean;
  /** Query, key and value have biases. */
  readonly biases?: boolean;
  /** Blocks with a short convolution instead of attention (LFM2). */
  readonly convolutions?: readonly number[];
  readonly norms: Readonly<Record<string, string>>;
  /** Keys without the architecture in front. */
  readonly metadata: Readonly<Record<string, GgufValue>>;
  /** E. 64 when left out. */
  readonly width?: number;
  /** 512 when left out. */
  readonly contextLength?: number;
  readonly tokenizer?: Metadata;
  readonly chatTemplate?: string;
}

const [headWidth, blocks, feedForward, convolved] = [32, 3, 96, 3] as const;

/** Writes the decoder as GGUF. */
export async function writeSeededDecoder(file: string, decoder: SeededDecoder): Promise<void> {
  const { architecture, prefix, plusOne = false, tied = false, biases = false, convolutions = [], norms, metadata, width = 64, contextLength = 512, tokenizer = tokenizerMetadata, chatTemplate } = decoder;
  const heads = width / headWidth;
  const vocabulary = vocabularySizeOf(tokenizer);
  const tensor = (name: string, from: string, shape: readonly number[]): TensorToWrite => {
    const seed = `${prefix} ${from}`;
    if (from.includes("norm")) return { name, dtype: "F32", shape, data: seeded(seed, shape, 0.3, plusOne ? 0 : 1).map((value) => (plusOne ? value + 1 : value)) };
    if (from.endsWith("bias")) return { name, dtype: "F32", shape, data: seeded(seed, shape, 0.3) };
    const spread = from === "lm_head" ? 0.5 : from.includes("embed_tokens") ? (tied ? 0.1 : 0.25) : 2 * (shape[1] as number) ** -0.5;
    return { name, dtype: "F32", shape, data: seeded(seed, shape, spread) };
  };
  const attention: readonly (readonly [string, string, number, number])[] = [
    ["attn_q", "self_attn.q_proj", heads * headWidth, width], ["attn_k", "self_attn.k_proj", headWidth, width], ["attn_v", "self_attn.v_proj", headWidth, width], ["attn_output", "self_attn.o_proj", width, heads * headWidth],
  ];
  const convolution: typeof attention = [["shortconv.conv", "conv.conv", width, convolved], ["shortconv.in_proj", "conv.in_proj", 3 * width, width], ["shortconv.out_proj", "conv.out_proj", width, width]];
  const feed: typeof attention = [["ffn_gate", "mlp.gate_proj", feedForward, width], ["ffn_up", "mlp.up_proj", feedForward, width], ["ffn_down", "mlp.down_proj", width, feedForward]];
  const tensors = Array.from({ length: blocks }, (_, block) => {
    const convolves = convolutions.includes(block);
    const layer = (name: string, from: string, shape: readonly number[]): TensorToWrite => tensor(`blk.${block}.${name}`, `layers.${block}.${from}`, shape);
    return [
      ...[...(convolves ? convolution : attention), ...feed].flatMap(([name, from, rows, columns]) => [
        layer(`${name}.weight`, `${from}.weight`, [rows, columns]),
        ...(biases && /attn_[qkv]/.test(name) ? [layer(`${name}.bias`, `${from}.bias`, [rows])] : []),
      ]),
      ...Object.entries(norms).flatMap(([from, name]) => (convolves && from.startsWith("self_attn") ? [] : [layer(`${name}.weight`, `${from}.weight`, [from.startsWith("self_attn") ? headWidth : width])])),
    ];
  }).flat();
  const own: Record<string, GgufValue> = {
    block_count: uint(blocks),
    context_length: uint(contextLength),
    embedding_length: uint(width),
    feed_forward_length: uint(feedForward),
    "attention.head_count": uint(heads),
    "attention.head_count_kv": convolutions.length === 0 ? uint(1) : { type: "array", of: "int32", value: Array.from({ length: blocks }, (_, block) => (convolutions.includes(block) ? 0 : 1)) },
    "attention.key_length": uint(headWidth),
    "attention.value_length": uint(headWidth),
    "attention.layer_norm_rms_epsilon": float(1e-6),
    ...(convolutions.length === 0 ? {} : { "shortconv.l_cache": uint(convolved) }),
    ...metadata,
  };
  await writeGguf(file, {
    metadata: [
      ["general.architecture", { type: "string", value: architecture }],
      ...Object.entries(own).map(([key, value]): [string, GgufValue] => [`${architecture}.${key}`, value]),
      ...tokenizer,
      ...(chatTemplate === undefined ? [] : [["tokenizer.chat_template", { type: "string", value: chatTemplate }] as [string, GgufValue]]),
    ],
    tensors: [
      tensor("token_embd.weight", "embed_tokens.weight", [vocabulary, width]),
      ...(tied ? [] : [tensor("output.weight", "lm_head", [vocabulary, width])]),
      tensor(architecture === "lfm2" ? "token_embd_norm.weight" : "output_norm.weight", "norm.weight", [width]),
      ...tensors,
    ],
  });
}
