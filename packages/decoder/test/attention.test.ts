import { readFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { openWeights } from "@sightline/weights";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { seeded } from "../../projector/test/seeded.js";
import { loadDecoder, type Segment } from "../src/index.js";
import { float, gemma2Norms, headNorms, plainNorms, uint, writeSeededDecoder, type SeededDecoder } from "./seeded-decoder.js";

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

const width = 64;

const qwen3vl = (prefix: string): SeededDecoder => ({
  architecture: "qwen3vl",
  prefix,
  norms: { ...plainNorms, ...headNorms },
  metadata: { "rope.freq_base": float(5e6), "rope.dimension_sections": { type: "array", of: "int32", value: [6, 5, 5, 0] }, n_deepstack_layers: uint(2) },
});
const decoders: Readonly<Record<string, SeededDecoder>> = {
  gemma: { architecture: "gemma", prefix: "gemma", plusOne: true, tied: true, norms: plainNorms, metadata: { "rope.freq_base": float(10_000) } },
  gemma2: {
    architecture: "gemma2",
    prefix: "gemma2",
    plusOne: true,
    tied: true,
    norms: gemma2Norms,
    metadata: { "rope.freq_base": float(10_000), "attention.sliding_window": uint(40), attn_logit_softcapping: float(50), final_logit_softcapping: float(30) },
  },
  gemma3: {
    architecture: "gemma3",
    prefix: "gemma3",
    plusOne: true,
    norms: { ...gemma2Norms, ...headNorms },
    metadata: { "rope.freq_base": float(1e6), "rope.freq_base_swa": float(1e4), "attention.sliding_window": uint(24), "attention.sliding_window_pattern": uint(2) },
  },
  qwen3vl: qwen3vl("qwen3vl qwen"),
  "qwen3vl-tall": qwen3vl("qwen3vl-tall qwen"),
};

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
  it.each(Object.keys(decoders))("%s", async (name) => {
    const file = path.join(folder, `${name}.gguf`);
    await writeSeededDecoder(file, decoders[name] as SeededDecoder);
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
    await writeSeededDecoder(file, decoders[name] as SeededDecoder);
    const golden = goldens[name] as Golden;
    await using decoder = await loadDecoder(file, { cacheTypeK: "f32", cacheTypeV: "f32", flashAttention: false, threads: 1 });
    const plain = (await promptOf(name, file, golden)).map((segment): Segment => (segment.type === "tokens" ? segment : { type: "embeddings", embeddings: segment.embeddings, id: segment.id }));
    const { logprobs: [first] = [] } = await decoder.generate(plain, { maxTokens: 1, ignoreEnd: true, sampling: { temperature: 0 }, logprobs: 1 }).result;
    expect(Math.abs((first?.logprob ?? 0) - (golden.steps[0] as readonly [number, number])[0])).toBeGreaterThan(5 * tolerance);
  });
});
