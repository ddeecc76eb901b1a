import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadDecoder, type CacheType, type DecoderOptions } from "../src/index.js";
import { writeTinyModel } from "./tiny-model.js";

let directory: string;
let file: string;

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "sightline-cache-types-"));
  file = path.join(directory, "model.gguf");
  await writeTinyModel(file, { seed: 21 });
});
afterAll(() => rm(directory, { recursive: true }));

const prompt = Buffer.from("the quick brown fox jumps over the lazy dog, and the dog does not even look up");

async function logits(options: DecoderOptions): Promise<Float32Array> {
  await using decoder = await loadDecoder(file, { contextLength: 128, ...options });
  using sequence = decoder.createSequence();
  // Token by token, so that what is read back from the cache decides.
  await sequence.generate([{ type: "tokens", tokens: Int32Array.from(prompt.subarray(0, -1)) }], { maxTokens: 0 }).result;
  return await sequence.logits([{ type: "tokens", tokens: Int32Array.from(prompt) }]);
}

function relativeError(actual: Float32Array, expected: Float32Array): number {
  const difference = Math.sqrt(actual.reduce((sum, x, i) => sum + (x - (expected[i] ?? 0)) ** 2, 0));
  return difference / Math.sqrt(expected.reduce((sum, x) => sum + x * x, 0));
}

describe("a KV cache", () => {
  it("of f16 is the default", async () => {
    expect(await logits({})).toEqual(await logits({ cacheTypeK: "f16", cacheTypeV: "f16" }));
  });

  it.each<[CacheType, CacheType, number]>([
    ["f16", "f16", 1e-3],
    ["bf16", "bf16", 1e-2],
    ["q8_0", "q8_0", 2e-2],
    ["q8_0", "f16", 2e-2],
    ["f16", "q8_0", 2e-2],
    ["q5_1", "q5_1", 0.1],
    ["q5_0", "q5_0", 0.12],
    ["q4_1", "q4_1", 0.2],
    ["q4_0", "q4_0", 0.25],
    ["iq4_nl", "iq4_nl", 0.25],
    ["q8_0", "q4_0", 0.25],
  ])("of %s keys and %s values gives nearly the logits of f32", async (cacheTypeK, cacheTypeV, tolerance) => {
    const error = relativeError(await logits({ cacheTypeK, cacheTypeV }), await logits({ cacheTypeK: "f32", cacheTypeV: "f32" }));
    expect(error).toBeLessThan(tolerance);
    expect(error).toBeGreaterThan(0);
  });

  it("gives nearly the same with and without flash attention", async () => {
    expect(relativeError(await logits({ flashAttention: true }), await logits({ flashAttention: false }))).toBeLessThan(1e-2);
  });

  it("is refused as a type that there is not, or where flash attention is off", async () => {
    await expect(logits({ cacheTypeK: "q3" as never })).rejects.toThrow("cacheTypeK: expected one of f32, f16, bf16, q8_0, q5_1, q5_0, q4_1, q4_0, iq4_nl, got q3");
    await expect(logits({ cacheTypeV: "toString" as never })).rejects.toMatchObject({ code: "bad-option" });
    await expect(logits({ cacheTypeV: "q8_0", flashAttention: false })).rejects.toThrow("flashAttention: expected true or nothing, since cacheTypeV q8_0 needs it");
    await expect(logits({ flashAttention: 1 as never })).rejects.toThrow("flashAttention: expected true or false, got 1");
  });

  it("that is quantised is refused for heads that are no multiple of its blocks", async () => {
    const odd = path.join(directory, "odd.gguf");
    await writeTinyModel(odd, { headWidth: 48 });
    await expect(loadDecoder(odd, { contextLength: 64, cacheTypeK: "q8_0" })).rejects.toMatchObject({ code: "model-load-failed", message: expect.stringContaining("block size 32") });
    await using decoder = await loadDecoder(odd, { contextLength: 64 });
    expect(decoder.info.contextLength).toBe(64);
  });
});
