import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FairMutex } from "../src/fair-mutex.js";
import { loadDecoder, type Decoder, type Segment } from "../src/index.js";
import { writeTinyModel } from "./tiny-model.js";

let directory: string;
let file: string;
beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "sightline-sequences-"));
  file = path.join(directory, "tiny.gguf");
  await writeTinyModel(file, { seed: 4 });
});
afterAll(() => rm(directory, { recursive: true }));

const prompt = (text: string): Segment[] => [{ type: "tokens", tokens: Int32Array.from(Buffer.from(text)) }];
const saying = async (decoder: Decoder, text: string, maxTokens: number): Promise<string> => {
  using sequence = decoder.createSequence();
  return (await sequence.generate(prompt(text), { maxTokens }).result).text;
};

describe("sequences", () => {
  it("generate at the same time what they generate alone", async () => {
    const texts = ["hello", "world", "an apple", "1234567"];
    await using decoder = await loadDecoder(file, { maxSequences: texts.length });
    const alone = [];
    for (const text of texts) alone.push(await saying(decoder, text, 40));
    expect(new Set(alone).size).toBe(texts.length);
    const together = await Promise.all(texts.map((text) => saying(decoder, text, 40)));
    expect(together).toEqual(alone);
  });

  it("take turns", async () => {
    await using decoder = await loadDecoder(file, { maxSequences: 2 });
    const order: number[] = [];
    const run = async (index: number): Promise<void> => {
      using sequence = decoder.createSequence();
      for await (const { tokenIds } of sequence.generate(prompt(index === 0 ? "ab" : "cd"), { maxTokens: 100 })) order.push(...tokenIds.map(() => index));
    };
    await Promise.all([run(0), run(1)]);
    const firstHalf = order.slice(0, 100);
    expect(order.length).toBe(200);
    for (const index of [0, 1]) expect(firstHalf.filter((who) => who === index).length).toBeGreaterThan(20);
  });

  it("are as many as were asked for", async () => {
    await using decoder = await loadDecoder(file, { maxSequences: 2 });
    const first = decoder.createSequence();
    decoder.createSequence();
    expect(() => decoder.createSequence()).toThrow(expect.objectContaining({ code: "no-free-sequence", message: expect.stringContaining("all 2 sequences") }));
    first.dispose();
    first.dispose();
    expect(decoder.createSequence()).toBeDefined();
    expect(() => decoder.createSequence()).toThrow("all 2 sequences");
  });

  it("begin empty in a slot that was used before", async () => {
    await using decoder = await loadDecoder(file);
    const before = await saying(decoder, "hello", 20);
    await saying(decoder, "something else entirely", 20);
    using sequence = decoder.createSequence();
    const { text, usage } = await sequence.generate(prompt("hello"), { maxTokens: 20 }).result;
    expect(usage.reusedTokens).toBe(0);
    expect(text).toBe(before);
  });

  it("do one thing at a time", async () => {
    await using decoder = await loadDecoder(file);
    using sequence = decoder.createSequence();
    const generation = sequence.generate(prompt("hello"), { maxTokens: 5 });
    expect(() => sequence.generate(prompt("hello"))).toThrow(expect.objectContaining({ code: "busy" }));
    await expect(sequence.logits(prompt("hello"))).rejects.toMatchObject({ code: "busy" });
    await generation.result;
    expect((await sequence.generate(prompt("hello"), { maxTokens: 5 }).result).usage.completionTokens).toBe(5);
  });

  it("refuse to work once disposed", async () => {
    await using decoder = await loadDecoder(file);
    const sequence = decoder.createSequence();
    sequence.dispose();
    expect(() => sequence.generate(prompt("hello"))).toThrow(expect.objectContaining({ code: "disposed" }));
    await expect(sequence.logits(prompt("hello"))).rejects.toMatchObject({ code: "disposed" });
  });

  it("give their slot back only when their generation has ended", async () => {
    await using decoder = await loadDecoder(file);
    const sequence = decoder.createSequence();
    const generation = sequence.generate(prompt("hello"));
    sequence.dispose();
    expect(() => decoder.createSequence()).toThrow(expect.objectContaining({ code: "no-free-sequence" }));
    await expect(generation.result).rejects.toMatchObject({ code: "disposed" });
    expect(decoder.createSequence()).toBeDefined();
  });
});

describe("disposing a decoder", () => {
  it("while sequences generate ends them, waits, and frees it once", async () => {
    const decoder = await loadDecoder(file, { maxSequences: 3 });
    const generations = ["a", "b", "c"].map((text) => decoder.createSequence().generate(prompt(text)));
    const outcomes = Promise.allSettled(generations.map((generation) => generation.result));
    await new Promise((resolve) => setImmediate(resolve));
    await Promise.all([decoder[Symbol.asyncDispose](), decoder[Symbol.asyncDispose]()]);
    for (const outcome of await outcomes) expect(outcome).toMatchObject({ status: "rejected", reason: { code: "disposed" } });
    await decoder[Symbol.asyncDispose]();
  });

  it("makes everything else an error", async () => {
    const decoder = await loadDecoder(file);
    const sequence = decoder.createSequence();
    await decoder[Symbol.asyncDispose]();
    expect(() => decoder.tokenize("a")).toThrow(expect.objectContaining({ code: "disposed" }));
    expect(() => decoder.detokenize(Int32Array.of(1))).toThrow("disposed");
    expect(() => decoder.tokenText(1)).toThrow("disposed");
    expect(() => decoder.createSequence()).toThrow("disposed");
    expect(() => sequence.generate(prompt("a"))).toThrow(expect.objectContaining({ code: "disposed" }));
  });

  it("leaves another decoder of the same file alone", async () => {
    await using first = await loadDecoder(file);
    {
      await using second = await loadDecoder(file);
      expect(await saying(second, "hello", 10)).toBe(await saying(first, "hello", 10));
    }
    expect((await saying(first, "hello", 10)).length).toBeGreaterThan(0);
  });
});

describe("FairMutex", () => {
  it("goes round in the order of asking", async () => {
    const mutex = new FairMutex();
    const order: string[] = [];
    expect(mutex.tryAcquire()).toBe(true);
    const worker = async (name: string): Promise<void> => {
      for (let i = 0; i < 2; i++) {
        await mutex.acquire();
        order.push(name);
        mutex.release();
      }
    };
    const all = Promise.all([worker("a"), worker("b"), worker("c")]);
    expect(mutex.tryAcquire()).toBe(false);
    mutex.release();
    await all;
    expect(order).toEqual(["a", "b", "c", "a", "b", "c"]);
    expect(mutex.tryAcquire()).toBe(true);
  });
});
