import { readFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { openWeights, writeGguf, type GgufValue, type TensorToWrite } from "@sightline/weights";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { seeded } from "../../projector/test/seeded.js";
import { loadDecoder, type Segment } from "../src/index.js";
import { tokenizerMetadata } from "./tiny-model.js";

// Reference: transformers 5.23 in float32, by tools/reference/decoders/attention.py. Keys and values are kept in float32
// here too. All token ids must be equal: in Gemma 3's case the best two come as near as 5e-4 once, and still agree. Log
// probabilities differ by 1e-5 (Qwen3-VL) to 1.3e-3 (Gemma, whose GELU llama.cpp looks up in a table of float16).
const tolerance = 2e-3;

interface Golden {
  readonly rows: number;
  readonly grid?: readonly [rows: number, columns: number];
  readonly before: readonly number[];
  readonly after: readonly number[];
  readonly tokens: readonly number[];
  /** Log probability of the token, and by how much it beats the next, at each step. */
  readonly steps: readonly (readonly [logprob: number, gap: number])[];
}

const [width, heads, headWidth, layers, feedForward, vocabulary] = [64, 2, 32, 3, 96, 961] as const;
const count = (value: number): GgufValue => ({ type: "uint32", value });
const float = (value: number): GgufValue => ({ type: "float32", value });

interface Architecture {
  readonly name: string;
  /** What stands before the names that the weights are seeded by. */
  readonly prefix: string;
  /** Norms multiply by 1 + w in transformers and are stored with the 1. */
  readonly plusOne: boolean;
  readonly norms: Readonly<Record<string, string>>;
  readonly metadata: Readonly<Record<string, GgufValue>>;
}

const gemmaNorms = { input_layernorm: "attn_norm", post_attention_layernorm: "ffn_norm" };
const gemma2Norms = { input_layernorm: "attn_norm", post_attention_layernorm: "post_attention_norm", pre_feedforward_layernorm: "ffn_norm", post_feedforward_layernorm: "post_ffw_norm" };
const headNorms = { "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm" };
const qwen3vl = (prefix: string): Architecture => ({
  name: "qwen3vl",
  prefix,
  plusOne: false,
  norms: { ...gemmaNorms, ...headNorms },
  metadata: { "rope.freq_base": float(5e6), "rope.dimension_sections": { type: "array", of: "int32", value: [6, 5, 5, 0] }, n_deepstack_layers: count(2) },
});
const architectures: Readonly<Record<string, Architecture>> = {
  gemma: { name: "gemma", prefix: "gemma", plusOne: true, norms: gemmaNorms, metadata: { "rope.freq_base": float(10_000) } },
  gemma2: {
    name: "gemma2",
    prefix: "gemma2",
    plusOne: true,
    norms: gemma2Norms,
    metadata: { "rope.freq_base": float(10_000), "attention.sliding_window": count(40), attn_logit_softcapping: float(50), final_logit_softcapping: float(30) },
  },
  gemma3: {
    name: "gemma3",
    prefix: "gemma3",
    plusOne: true,
    norms: { ...gemma2Norms, ...headNorms },
    metadata: { "rope.freq_base": float(1e6), "rope.freq_base_swa": float(1e4), "attention.sliding_window": count(24), "attention.sliding_window_pattern": count(2) },
  },
  qwen3vl: qwen3vl("qwen3vl qwen"),
  "qwen3vl-tall": qwen3vl("qwen3vl-tall qwen"),
};

async function writeModel(file: string, { name: architecture, prefix, plusOne, norms, metadata }: Architecture): Promise<void> {
  // llama.cpp knows these two with one table for hearing and saying only.
  const tied = architecture === "gemma" || architecture === "gemma2";
  const head: TensorToWrite = { name: "output.weight", dtype: "F32", shape: [vocabulary, width], data: seeded(`${prefix} lm_head`, [vocabulary, width], 0.5) };
  const tensor = (name: string, from: string, shape: readonly number[]): TensorToWrite => {
    const seed = `${prefix} ${from}`;
    if (!from.includes("norm")) return { name, dtype: "F32", shape, data: seeded(seed, shape, from.includes("embed_tokens") ? (tied ? 0.1 : 0.25) : 2 * (shape[1] as number) ** -0.5) };
    return { name, dtype: "F32", shape, data: seeded(seed, shape, 0.3, plusOne ? 0 : 1).map((value) => (plusOne ? value + 1 : value)) };
  };
  const matrices: readonly (readonly [string, string, number, number])[] = [
    ["attn_q", "self_attn.q_proj", heads * headWidth, width], ["attn_k", "self_attn.k_proj", headWidth, width], ["attn_v", "self_attn.v_proj", headWidth, width], ["attn_output", "self_attn.o_proj", width, heads * headWidth],
    ["ffn_gate", "mlp.gate_proj", feedForward, width], ["ffn_up", "mlp.up_proj", feedForward, width], ["ffn_down", "mlp.down_proj", width, feedForward],
  ];
  const blocks = Array.from({ length: layers }, (_, layer) => [
    ...matrices.map(([name, from, rows, columns]) => tensor(`blk.${layer}.${name}.weight`, `layers.${layer}.${from}.weight`, [rows, columns])),
    ...Object.entries(norms).map(([from, name]) => tensor(`blk.${layer}.${name}.weight`, `layers.${layer}.${from}.weight`, [from.startsWith("self_attn") ? headWidth : width])),
  ]).flat();
  const own: Record<string, GgufValue> = {
    block_count: count(layers), context_length: count(512), embedding_length: count(width), feed_forward_length: count(feedForward),
    "attention.head_count": count(heads), "attention.head_count_kv": count(1), "attention.key_length": count(headWidth), "attention.value_length": count(headWidth),
    "attention.layer_norm_rms_epsilon": float(1e-6), ...metadata,
  };
  await writeGguf(file, {
    metadata: [["general.architecture", { type: "string", value: architecture }], ...Object.entries(own).map(([key, value]): [string, GgufValue] => [`${architecture}.${key}`, value]), ...tokenizerMetadata],
    tensors: [tensor("token_embd.weight", "embed_tokens.weight", [vocabulary, width]), ...(tied ? [] : [head]), tensor("output_norm.weight", "norm.weight", [width]), ...blocks],
  });
}

let folder: string;
let goldens: Readonly<Record<string, Golden>>;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "attention-"));
  goldens = JSON.parse(await readFile(new URL("goldens/attention.json", import.meta.url), "utf8")) as Record<string, Golden>;
});
afterAll(() => rm(folder, { recursive: true }));

/** The prompt as the decoder gets it; PaliGemma's is one block, whose text rows are looked up. */
async function promptOf(name: string, file: string, { rows, grid, before, after }: Golden): Promise<Segment[]> {
  const perRow = name.startsWith("qwen3vl") ? 3 * width : width;
  const embeddings = seeded(`${name} rows`, [rows, perRow]);
  const tokens = (ids: readonly number[]): Segment => ({ type: "tokens", tokens: Int32Array.from(ids) });
  if (name === "gemma" || name === "gemma2") {
    await using weights = await openWeights(file);
    const text = await weights.readRows("token_embd.weight", after);
    // The decoder multiplies all embeddings by sqrt(E), so what is not to be must come divided.
    return [{ type: "embeddings", embeddings: Float32Array.from([...embeddings.map((value) => value / Math.sqrt(width)), ...text]), id: "prefix", attention: "non-causal" }];
  }
  const picture: Segment = { type: "embeddings", embeddings, id: "picture", attention: name === "gemma3" ? "non-causal" : "causal", ...(grid ? { grid: { rows: grid[0], columns: grid[1] } } : {}) };
  return [tokens(before), picture, tokens(after)];
}

describe("what a decoder says after a picture, held against transformers", () => {
  it.each(Object.keys(architectures))("%s", async (name) => {
    const file = path.join(folder, `${name}.gguf`);
    await writeModel(file, architectures[name] as Architecture);
    const golden = goldens[name] as Golden;
    await using decoder = await loadDecoder(file, { cacheTypeK: "f32", cacheTypeV: "f32", flashAttention: false, threads: 1 });
    const segments = await promptOf(name, file, golden);
    const generation = decoder.generate(segments, { maxTokens: golden.tokens.length, ignoreEnd: true, sampling: { temperature: 0 }, logprobs: 1 });
    const { logprobs = [] } = await generation.result;
    expect(logprobs.map(({ id }) => id)).toEqual(golden.tokens);
    logprobs.forEach(({ logprob }, i) => expect(Math.abs(logprob - (golden.steps[i] as readonly [number, number])[0]), `step ${i}`).toBeLessThan(tolerance));
  });

  it.each(["gemma", "gemma3", "qwen3vl"])("%s says something else when its rows are taken for words in a line", async (name) => {
    const file = path.join(folder, `${name}-plain.gguf`);
    await writeModel(file, architectures[name] as Architecture);
    const golden = goldens[name] as Golden;
    await using decoder = await loadDecoder(file, { cacheTypeK: "f32", cacheTypeV: "f32", flashAttention: false, threads: 1 });
    const plain = (await promptOf(name, file, golden)).map((segment): Segment => (segment.type === "tokens" ? segment : { type: "embeddings", embeddings: segment.embeddings, id: segment.id }));
    const { logprobs: [first] = [] } = await decoder.generate(plain, { maxTokens: 1, ignoreEnd: true, sampling: { temperature: 0 }, logprobs: 1 }).result;
    expect(Math.abs((first?.logprob ?? 0) - (golden.steps[0] as readonly [number, number])[0])).toBeGreaterThan(5 * tolerance);
  });
});
