import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadDecoder, type Decoder, type Generation, type GenerateOptions, type Segment } from "../src/index.js";
import { imEnd, writeTinyModel } from "./tiny-model.js";

let directory: string;
/** Random weights: what it says has no meaning. */
let babbler: Decoder;
/** Says the alphabet, then ends. */
let speller: Decoder;
/** Says "x", an apple whose four bytes are four tokens, then "é" in two, then "y", and ends. */
let emojiSayer: Decoder;

const alphabet = "abcdefghijklmnopqrstuvwxyz";
const spoken = [...Buffer.from("x🍎éy")];

function chain(ids: readonly number[]): Map<number, number> {
  return new Map(ids.map((id, index) => [id, ids[index + 1] ?? imEnd]));
}

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "sightline-generation-"));
  const load = async (name: string, model: Parameters<typeof writeTinyModel>[1]): Promise<Decoder> => {
    const file = path.join(directory, `${name}.gguf`);
    await writeTinyModel(file, model);
    return loadDecoder(file, { contextLength: 256 });
  };
  babbler = await load("babbler", { seed: 5 });
  speller = await load("speller", { successors: chain([...Buffer.from(alphabet)]) });
  emojiSayer = await load("emoji", { successors: chain(spoken) });
});
afterAll(async () => {
  for (const decoder of [babbler, speller, emojiSayer]) await decoder[Symbol.asyncDispose]();
  await rm(directory, { recursive: true });
});

const textOf = (text: string): Segment[] => [{ type: "tokens", tokens: Int32Array.from(Buffer.from(text)) }];

/** Generates on a sequence of its own. */
async function say(decoder: Decoder, prompt: string, options: GenerateOptions = {}): ReturnType<typeof collect> {
  using sequence = decoder.createSequence();
  return await collect(sequence.generate(textOf(prompt), options));
}

async function collect(generation: Generation): Promise<{ chunks: { text: string; tokenIds: number[] }[] } & Awaited<Generation["result"]>> {
  const chunks = [];
  for await (const chunk of generation) chunks.push(chunk);
  return { chunks, ...(await generation.result) };
}

describe("the end of a text", () => {
  it("comes with the model's end token, which is not counted", async () => {
    const { text, finishReason, usage, stopSequence } = await say(speller, "w");
    expect({ text, finishReason, stopSequence }).toEqual({ text: "xyz", finishReason: "stop", stopSequence: undefined });
    expect(usage).toEqual({ promptTokens: 1, embeddingTokens: 0, reusedTokens: 0, completionTokens: 3 });
  });

  it("is passed over where a caller asks for that", async () => {
    const { text, finishReason, usage } = await say(speller, "w", { maxTokens: 12, ignoreEnd: true });
    expect({ finishReason, completionTokens: usage.completionTokens }).toEqual({ finishReason: "length", completionTokens: 12 });
    expect(text.startsWith("xyz")).toBe(true);
    await expect(say(speller, "w", { ignoreEnd: 1 as never })).rejects.toThrow("ignoreEnd: expected true or false, got 1");
  });

  it("comes after maxTokens", async () => {
    const { text, finishReason, usage } = await say(speller, "a", { maxTokens: 4 });
    expect({ text, finishReason, completionTokens: usage.completionTokens }).toEqual({ text: "bcde", finishReason: "length", completionTokens: 4 });
  });

  it("comes at once with maxTokens 0, and the prompt is in the cache then", async () => {
    using sequence = speller.createSequence();
    const warm = await sequence.generate(textOf("abc"), { maxTokens: 0 }).result;
    expect(warm).toMatchObject({ text: "", finishReason: "length", usage: { completionTokens: 0 } });
    const { usage } = await sequence.generate(textOf("abcd"), { maxTokens: 1 }).result;
    expect(usage.reusedTokens).toBe(3);
  });

  it("comes when the context is full", async () => {
    const prompt = "a".repeat(250);
    const { finishReason, usage } = await say(babbler, prompt);
    // The last token needs no position: nothing is decoded after it.
    expect({ finishReason, completionTokens: usage.completionTokens }).toEqual({ finishReason: "length", completionTokens: 7 });
  });

  it("gives one token after a prompt that fills the context", async () => {
    const { finishReason, usage } = await say(babbler, "a".repeat(256));
    expect({ finishReason, completionTokens: usage.completionTokens }).toEqual({ finishReason: "length", completionTokens: 1 });
  });
});

describe("stop strings", () => {
  it("end the text before them, though they are spread over tokens", async () => {
    const { text, finishReason, stopSequence, chunks } = await say(speller, "a", { stop: ["zzz", "def"] });
    expect({ text, finishReason, stopSequence }).toEqual({ text: "bc", finishReason: "stop", stopSequence: "def" });
    expect(chunks.map((chunk) => chunk.text).join("")).toBe("bc");
    expect(chunks.flatMap((chunk) => chunk.tokenIds)).toEqual([...Buffer.from("bcdef")]);
  });

  it("hold text back only while it could become one", async () => {
    const { chunks } = await say(speller, "a", { stop: ["cdX"], maxTokens: 5 });
    expect(chunks.map((chunk) => chunk.text)).toEqual(["b", "cde", "f"]);
    expect(chunks[1]?.tokenIds).toEqual([...Buffer.from("cde")]);
  });

  it("release at the end what they held back", async () => {
    const { text, finishReason } = await say(speller, "w", { stop: ["yz!"] });
    expect({ text, finishReason }).toEqual({ text: "xyz", finishReason: "stop" });
  });
});

describe("characters of several tokens", () => {
  it("come whole", async () => {
    const { chunks, text } = await say(emojiSayer, "x");
    expect(text).toBe("🍎éy");
    expect(chunks.map((chunk) => chunk.text)).toEqual(["🍎", "é", "y"]);
    expect(chunks[0]?.tokenIds).toEqual(spoken.slice(1, 5));
  });

  it("are left out when the text is cut inside them", async () => {
    const { chunks, text, usage } = await say(emojiSayer, "x", { maxTokens: 5 });
    expect(text).toBe("🍎");
    expect(usage.completionTokens).toBe(5);
    expect(chunks.flatMap((chunk) => chunk.tokenIds)).toEqual(spoken.slice(1, 6));
  });

  it("can be stop strings", async () => {
    expect(await say(emojiSayer, "x", { stop: ["é"] })).toMatchObject({ text: "🍎", stopSequence: "é" });
  });
});

describe("sampling", () => {
  const sampled = async (options: GenerateOptions["sampling"]): Promise<string> =>
    (await say(babbler, "hello", { maxTokens: 24, ...(options === undefined ? {} : { sampling: options }) })).text;

  it("is greedy by default, and always the same", async () => {
    const greedy = await sampled(undefined);
    expect(greedy.length).toBeGreaterThan(0);
    expect(await sampled(undefined)).toBe(greedy);
    expect(await sampled({ temperature: 0, topK: 50, seed: 9 })).toBe(greedy);
    expect(await sampled({ topK: 1, seed: 9 })).toBe(greedy);
    expect(await sampled({ temperature: 2, topP: 1e-6 })).toBe(greedy);
    expect(await sampled({ temperature: 2, minP: 1 })).toBe(greedy);
  });

  it("depends on the seed, and on nothing else", async () => {
    const once = await sampled({ temperature: 1.5, seed: 1 });
    expect(await sampled({ temperature: 1.5, seed: 1 })).toBe(once);
    expect(await sampled({ temperature: 1.5, seed: 2 })).not.toBe(once);
  });

  it("avoids what was said, in the prompt too, with a repeat penalty", async () => {
    using sequence = speller.createSequence();
    // The speller's logit for the right letter is far above the others, all of them 0 or noise: only a huge penalty turns it.
    const { text } = await sequence.generate(textOf("ba"), { maxTokens: 1, sampling: { repeatPenalty: 1e6 } }).result;
    expect(text).not.toBe("b");
    const forgetful = await sequence.generate(textOf("ba"), { maxTokens: 1, sampling: { repeatPenalty: 1e6, repeatLastN: 1 } }).result;
    expect(forgetful.text).toBe("b");
  });
});

describe("an abort", () => {
  it("before the start gives an empty result", async () => {
    const { text, finishReason, chunks } = await say(babbler, "hello", { signal: AbortSignal.abort() });
    expect({ text, finishReason, chunks }).toEqual({ text: "", finishReason: "aborted", chunks: [] });
  });

  it("in the reader's loop takes effect within one token", async () => {
    using sequence = speller.createSequence();
    const controller = new AbortController();
    const generation = sequence.generate(textOf("a"), { signal: controller.signal });
    let read = "";
    let atAbort = "";
    for await (const { text } of generation) {
      read += text;
      if (read.length === 3) {
        controller.abort();
        atAbort = read;
      }
    }
    const { text, finishReason, usage } = await generation.result;
    expect(finishReason).toBe("aborted");
    expect(text).toBe(read);
    expect(text.length - atAbort.length).toBeLessThanOrEqual(1);
    expect(usage.completionTokens).toBe(text.length);
  });

  it("by a timer takes effect while tokens are decoded on the main thread", async () => {
    using sequence = babbler.createSequence();
    const controller = new AbortController();
    let timer: NodeJS.Timeout | undefined;
    const generation = sequence.generate(textOf("hello"), { signal: controller.signal });
    // The whole context takes this model some ten milliseconds, none of them waiting for anything.
    for await (const _ of generation) timer ??= setTimeout(() => controller.abort(), 1);
    expect(await generation.result).toMatchObject({ finishReason: "aborted" });
  });

  it("leaves the sequence usable, with the same text as a fresh one gives", async () => {
    const fresh = await say(babbler, "hello", { maxTokens: 12 });
    using sequence = babbler.createSequence();
    const controller = new AbortController();
    const generation = sequence.generate(textOf("hello"), { signal: controller.signal });
    for await (const _ of generation) controller.abort();
    const again = await sequence.generate(textOf("hello"), { maxTokens: 12 }).result;
    expect(again.text).toBe(fresh.text);
  });
});

describe("a reader", () => {
  it("that leaves its loop ends the generation", async () => {
    using sequence = babbler.createSequence();
    const generation = sequence.generate(textOf("hello"));
    for await (const { tokenIds } of generation) {
      expect(tokenIds.length).toBeGreaterThan(0);
      break;
    }
    const { finishReason, usage } = await generation.result;
    expect(finishReason).toBe("aborted");
    expect(usage.completionTokens).toBeLessThan(10);
    // The loop has waited: the sequence is free.
    expect((await sequence.generate(textOf("hello"), { maxTokens: 1 }).result).usage.completionTokens).toBe(1);
  });

  it("is not needed: the result comes without one", async () => {
    using sequence = speller.createSequence();
    expect((await sequence.generate(textOf("v")).result).text).toBe("wxyz");
  });

  it("may come late: nothing is lost", async () => {
    using sequence = speller.createSequence();
    const generation = sequence.generate(textOf("v"));
    await generation.result;
    const pieces = [];
    for await (const { text } of generation) pieces.push(text);
    expect(pieces.join("")).toBe("wxyz");
  });

  it("gets the tokens of every chunk exactly once", async () => {
    const { chunks, usage } = await say(babbler, "hello", { maxTokens: 50, stop: ["qq"] });
    expect(chunks.flatMap((chunk) => chunk.tokenIds).length).toBe(usage.completionTokens);
  });

  it("gets an error in its loop, and nobody else does", async () => {
    const unhandled: unknown[] = [];
    const note = (error: unknown): number => unhandled.push(error);
    process.on("unhandledRejection", note);
    const sequence = babbler.createSequence();
    const generation = sequence.generate(textOf("hello"));
    await expect(
      (async () => {
        for await (const _ of generation) sequence.dispose();
      })(),
    ).rejects.toMatchObject({ code: "disposed" });
    await new Promise((resolve) => setTimeout(resolve, 20));
    process.off("unhandledRejection", note);
    expect(unhandled).toEqual([]);
  });
});

describe("timings", () => {
  it("are of this generation", async () => {
    const start = performance.now();
    const { timings, usage } = await say(babbler, "hello", { maxTokens: 50 });
    const all = performance.now() - start;
    expect(usage.completionTokens).toBe(50);
    expect(timings.prefillMs).toBeGreaterThan(0);
    expect(timings.ttftMs).toBeGreaterThanOrEqual(timings.prefillMs);
    expect(timings.prefillMs + timings.decodeMs).toBeLessThanOrEqual(all);
    expect(timings.tokensPerSecond).toBeCloseTo((49 / timings.decodeMs) * 1000, 6);
  });
});
