import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadDecoder, type Decoder, type Segment } from "../src/index.js";
import { writeTinyModel } from "./tiny-model.js";

const width = 64;
let directory: string;
let file: string;
/** `float32[V, E]` */
let table: Float32Array;
let decoder: Decoder;

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "sightline-embeddings-"));
  file = path.join(directory, "tiny.gguf");
  table = await writeTinyModel(file, { seed: 3 });
  decoder = await loadDecoder(file, { maxSequences: 2 });
});
afterAll(async () => {
  await decoder[Symbol.asyncDispose]();
  await rm(directory, { recursive: true });
});

const tokens = (...ids: number[]): Segment => ({ type: "tokens", tokens: Int32Array.from(ids) });

/** The rows of the token table: what the model itself would look up. */
function rows(...ids: number[]): Segment & { readonly type: "embeddings" } {
  const embeddings = new Float32Array(ids.length * width);
  for (const [i, id] of ids.entries()) embeddings.set(table.subarray(id * width, (id + 1) * width), i * width);
  return { type: "embeddings", embeddings, id: ids.join(",") };
}

/** Logits on a sequence of its own: nothing is reused. */
async function freshLogits(from: Decoder, ...segments: Segment[]): Promise<Float32Array> {
  using sequence = from.createSequence();
  return await sequence.logits(segments);
}

function largestDifference(a: Float32Array, b: Float32Array): number {
  expect(a.length).toBe(b.length);
  return a.reduce((largest, value, i) => Math.max(largest, Math.abs(value - (b[i] ?? Number.NaN))), 0);
}

const ids = [104, 101, 108, 108, 111, 32, 119, 111, 114, 108, 100];

describe("embeddings in the place of tokens", () => {
  it("give logits identical to the last bit", async () => {
    const byToken = await freshLogits(decoder, tokens(...ids));
    const byRow = await freshLogits(decoder, rows(...ids));
    expect(byToken.length).toBe(decoder.info.vocabularySize);
    expect(new Set(byToken).size).toBeGreaterThan(100);
    expect(largestDifference(byToken, byRow)).toBe(0);
  });

  it("take their places among tokens", async () => {
    const byToken = await freshLogits(decoder, tokens(...ids));
    const mixed = await freshLogits(decoder, tokens(...ids.slice(0, 3)), rows(...ids.slice(3, 8)), tokens(...ids.slice(8)));
    expect(largestDifference(byToken, mixed)).toBeLessThan(1e-3);
    const swapped = await freshLogits(decoder, rows(...ids.slice(3, 8)), tokens(...ids.slice(0, 3)), tokens(...ids.slice(8)));
    expect(largestDifference(byToken, swapped)).toBeGreaterThan(0.1);
  });

  it("may be a view into a larger array", async () => {
    const whole = rows(...ids);
    const larger = new Float32Array(whole.embeddings.length + 7);
    larger.set(whole.embeddings, 7);
    const view: Segment = { type: "embeddings", embeddings: larger.subarray(7), id: "view" };
    expect(largestDifference(await freshLogits(decoder, view), await freshLogits(decoder, whole))).toBe(0);
  });

  it("end a prompt, too", async () => {
    using sequence = decoder.createSequence();
    using other = decoder.createSequence();
    const { text, usage } = await sequence.generate([tokens(1, 2), rows(...ids)], { maxTokens: 8 }).result;
    const plain = await other.generate([tokens(1, 2, ...ids)], { maxTokens: 8 }).result;
    expect(text).toBe(plain.text);
    expect(usage).toMatchObject({ promptTokens: 13, embeddingTokens: 11 });
  });
});

describe("a prompt in several batches", () => {
  it("gives the logits of one batch, to rounding, and the same text", async () => {
    await using small = await loadDecoder(file, { batchTokens: 4 });
    const prompt = [tokens(...ids), rows(...ids), tokens(5, 6)];
    const [one, several] = [await freshLogits(decoder, ...prompt), await freshLogits(small, ...prompt)];
    expect(largestDifference(one, several)).toBeLessThan(1e-3);
    using sequence = small.createSequence();
    using other = decoder.createSequence();
    const options = { maxTokens: 12 };
    expect((await sequence.generate(prompt, options).result).text).toBe((await other.generate(prompt, options).result).text);
  });

  it("can be aborted between them, and the sequence goes on", async () => {
    await using small = await loadDecoder(file, { batchTokens: 1, contextLength: 512 });
    using sequence = small.createSequence();
    const prompt = [tokens(7), rows(...Array.from({ length: 30 }, () => ids).flat()), tokens(5, 6)];
    const controller = new AbortController();
    const generation = sequence.generate(prompt, { signal: controller.signal });
    setImmediate(() => setImmediate(() => controller.abort()));
    expect(await generation.result).toMatchObject({ text: "", finishReason: "aborted", usage: { completionTokens: 0 } });
    const again = await sequence.generate(prompt, { maxTokens: 5 }).result;
    // What the aborted prefill had of the embeddings was part of a segment: only the token before them is reused.
    expect(again.usage.reusedTokens).toBe(1);
    expect(largestDifference(await sequence.logits(prompt), await freshLogits(decoder, ...prompt))).toBeLessThan(1e-3);
  });
});

describe("prefix reuse", () => {
  it("decodes only what is new, and says the same as without", async () => {
    const image = rows(...ids);
    const first = [tokens(1, 2), image, tokens(3, 4)];
    const second = [tokens(1, 2), image, tokens(3, 4, 9, 9, 9)];
    using warm = decoder.createSequence();
    await warm.generate(first, { maxTokens: 6 }).result;
    const reused = await warm.generate(second, { maxTokens: 12 }).result;
    expect(reused.usage).toMatchObject({ promptTokens: 18, embeddingTokens: 11, reusedTokens: 15 });
    using cold = decoder.createSequence();
    const plain = await cold.generate(second, { maxTokens: 12 }).result;
    expect(plain.usage.reusedTokens).toBe(0);
    expect(reused.text).toBe(plain.text);
    expect(largestDifference(await warm.logits(second), await cold.logits(second))).toBeLessThan(1e-3);
  });

  it("covers what was generated", async () => {
    using sequence = decoder.createSequence();
    const prompt = [tokens(1, 2, 3)];
    const { usage } = await sequence.generate(prompt, { maxTokens: 6 }).result;
    const chunks = [];
    const again = sequence.generate(prompt, { maxTokens: 6 });
    for await (const { tokenIds } of again) chunks.push(...tokenIds);
    expect((await again.result).usage.reusedTokens).toBe(2);
    const next = await sequence.generate([tokens(1, 2, 3, ...chunks, 5)], { maxTokens: 1 }).result;
    // The last generated token was never decoded: 3 of the prompt and 5 of 6 remain.
    expect(next.usage.reusedTokens).toBe(3 + usage.completionTokens - 1);
  });

  it("decodes an image with another id again, though all else is equal", async () => {
    using sequence = decoder.createSequence();
    const image = rows(...ids);
    await sequence.generate([tokens(1), image, tokens(3, 4)], { maxTokens: 1 }).result;
    const renamed: Segment = { ...image, id: "another" };
    const { usage } = await sequence.generate([tokens(1), renamed, tokens(3, 4)], { maxTokens: 1 }).result;
    expect(usage.reusedTokens).toBe(1);
  });
});

describe("a damaged model", () => {
  it("that computes no numbers is an error, not a crash", async () => {
    const damaged = path.join(directory, "damaged.gguf");
    await writeTinyModel(damaged, { outputNorm: Number.NaN });
    await using broken = await loadDecoder(damaged);
    using sequence = broken.createSequence();
    const sampling = { temperature: 1, topP: 0.9 };
    await expect(sequence.generate([tokens(1, 2)], { maxTokens: 3, sampling }).result).rejects.toMatchObject({
      code: "decode-failed",
      message: expect.stringContaining("not numbers"),
    });
  });
});
