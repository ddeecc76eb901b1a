import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadDecoder, type Decoder, type Segment } from "../src/index.js";
import { endOfText, imEnd, writeTinyModel } from "./tiny-model.js";

let directory: string;
let decoder: Decoder;
/** `float32[V]`: the logits after `prompt`. */
let logits: Float32Array;

const prompt: Segment[] = [{ type: "tokens", tokens: Int32Array.from(Buffer.from("hello")) }];

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "sightline-logprobs-"));
  const file = path.join(directory, "flat.gguf");
  await writeTinyModel(file, { seed: 11, outputNorm: 0.12 });
  decoder = await loadDecoder(file, { contextLength: 128, maxSequences: 2 });
  using sequence = decoder.createSequence();
  logits = await sequence.logits(prompt);
});
afterAll(async () => {
  await decoder[Symbol.asyncDispose]();
  await rm(directory, { recursive: true });
});

/** `float64[V]` */
function logSoftmax(values: Float32Array): number[] {
  const highest = Math.max(...values);
  const normaliser = highest + Math.log(values.reduce((sum, x) => sum + Math.exp(x - highest), 0));
  return [...values].map((x) => x - normaliser);
}

describe("log-probabilities", () => {
  const spelling = (id: number): number[] => (id === endOfText ? [...Buffer.from("<|endoftext|>")] : id === imEnd ? [...Buffer.from("<|im_end|>")] : [...Buffer.from(decoder.tokenText(id))]);

  it("are a softmax of the raw logits, whatever the sampling does, with the likeliest tokens first", async () => {
    using sequence = decoder.createSequence();
    const expected = logSoftmax(logits);
    const likeliest = [...expected.keys()].sort((a, b) => (expected[b] ?? 0) - (expected[a] ?? 0));
    const { logprobs = [] } = await sequence.generate(prompt, { maxTokens: 1, logprobs: 7, ignoreEnd: true, sampling: { temperature: 3, topK: 2, logitBias: { 65: 900 } } }).result;
    expect(logprobs).toHaveLength(1);
    const [{ id, logprob, text, bytes, top } = { id: -1, logprob: 0, text: "", bytes: [], top: [] }] = logprobs;
    expect({ id, text, bytes }).toEqual({ id: 65, text: "A", bytes: [65] });
    expect(logprob).toBeCloseTo(expected[65] ?? 0, 9);
    expect(top.map((entry) => entry.id)).toEqual(likeliest.slice(0, 7));
    for (const entry of top) {
      expect(entry.logprob).toBeCloseTo(expected[entry.id] ?? 0, 9);
      if (entry.id < 128 || entry.id >= 256) expect(entry.bytes).toEqual(spelling(entry.id));
    }
  });

  it("come for each token, in chunks and in the result, and equal those of the logits after the text so far", async () => {
    using sequence = decoder.createSequence();
    const generation = sequence.generate(prompt, { maxTokens: 12, logprobs: 0, ignoreEnd: true, stop: ["never there"], sampling: { temperature: 1.2, seed: 3 } });
    const ids: number[] = [];
    const inChunks = [];
    for await (const chunk of generation) {
      ids.push(...chunk.tokenIds);
      expect(chunk.logprobs?.map(({ id }) => id)).toEqual(chunk.tokenIds);
      inChunks.push(...(chunk.logprobs ?? []));
    }
    const { logprobs = [] } = await generation.result;
    expect(logprobs).toEqual(inChunks);
    expect(logprobs.map(({ id }) => id)).toEqual(ids);
    expect(logprobs.every(({ top }) => top.length === 0)).toBe(true);
    using other = decoder.createSequence();
    for (const [i, { logprob }] of logprobs.entries()) {
      const raw = await other.logits([...prompt, { type: "tokens", tokens: Int32Array.from(ids.slice(0, i)) }]);
      expect(logprob).toBeCloseTo(logSoftmax(raw)[ids[i] ?? 0] ?? 0, 3);
    }
  });

  it("are absent where nobody asked", async () => {
    using sequence = decoder.createSequence();
    const generation = sequence.generate(prompt, { maxTokens: 2 });
    for await (const chunk of generation) expect(chunk).not.toHaveProperty("logprobs");
    expect(await generation.result).not.toHaveProperty("logprobs");
  });

  it("are refused for a count that is none", () => {
    using sequence = decoder.createSequence();
    for (const logprobs of [-1, 101, Number.NaN, true]) {
      expect(() => sequence.generate(prompt, { logprobs: logprobs as never })).toThrow("logprobs: expected an integer from 0 to 100");
    }
  });
});
