import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import fc from "fast-check";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { DecodeContext } from "../src/decode-context.js";
import { loadDecoder, type Decoder, type DecoderOptions, type Segment } from "../src/index.js";
import { writeTinyModel } from "./tiny-model.js";

const width = 64;
const alphabet = "abcdefghijklmnopqrstuvwxyz";
let directory: string;
let babbler: string;
/** Says the alphabet from the last letter on, for ever. */
let speller: string;
let embeddings: Float32Array;

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "sightline-scheduler-"));
  babbler = path.join(directory, "babbler.gguf");
  speller = path.join(directory, "speller.gguf");
  await writeTinyModel(babbler, { seed: 6 });
  const ids = [...Buffer.from(alphabet)];
  embeddings = await writeTinyModel(speller, { successors: new Map(ids.map((id, i) => [id, ids[(i + 1) % 26] as number])) });
});
afterAll(() => rm(directory, { recursive: true }));
afterEach(() => vi.restoreAllMocks());

const textOf = (text: string): Segment => ({ type: "tokens", tokens: Int32Array.from(Buffer.from(text)) });
/** An image whose rows look like these letters to the decoder. */
const imageOf = (text: string, attention: "causal" | "non-causal" = "causal"): Segment => ({
  type: "embeddings",
  id: text,
  attention,
  embeddings: Float32Array.from([...Buffer.from(text)].flatMap((id) => [...embeddings.subarray(id * width, (id + 1) * width)])),
});
const load = (file: string, options: DecoderOptions = {}): Promise<Decoder> => loadDecoder(file, { contextLength: 256, ...options });
/** What the speller says after a text. */
const spelled = (text: string, length: number): string => Array.from({ length }, (_, i) => alphabet[(alphabet.indexOf(text.at(-1) as string) + 1 + i) % 26]).join("");

/** The rows of each batch that is decoded from now on. */
function watchBatches(): number[] {
  const rows: number[] = [];
  for (const method of ["decodeOnMainThread", "decodeOnWorker"] as const) {
    const original = DecodeContext.prototype[method];
    vi.spyOn(DecodeContext.prototype, method).mockImplementation(function (this: DecodeContext, batch) {
      rows.push(batch.n_tokens);
      return original.call(this, batch) as never;
    });
  }
  return rows;
}

describe("conversations at the same time", () => {
  it("decode their tokens in one batch", async () => {
    await using decoder = await load(speller, { maxSequences: 4 });
    const rows = watchBatches();
    const results = await Promise.all(["a", "f", "k", "p"].map((text) => decoder.generate([textOf(text)], { maxTokens: 30 }).result));
    expect(results.map(({ text }) => text)).toEqual(["a", "f", "k", "p"].map((text) => spelled(text, 30)));
    // The prompts together, then 29 tokens each: the last is not decoded.
    expect(rows).toEqual(Array.from({ length: 30 }, () => 4));
  });

  it("are not held up by a long prompt for longer than one batch", async () => {
    await using decoder = await load(speller, { maxSequences: 2, batchTokens: 16 });
    const rows = watchBatches();
    const speaking = decoder.generate([textOf("a")], { maxTokens: 60 });
    const reader = speaking[Symbol.asyncIterator]();
    await reader.next();
    const before = rows.length;
    const long = await decoder.generate([textOf("z".repeat(150))], { maxTokens: 1 }).result;
    expect(long.text).toBe("a");
    // Fifteen rows of the prompt go with each of the speaker's tokens.
    const during = rows.slice(before);
    expect(during.filter((n) => n === 16)).toHaveLength(10);
    expect(Math.max(...during)).toBe(16);
    expect((await speaking.result).text).toBe(spelled("a", 60));
  });

  it("are not held up by an image for longer than one batch", async () => {
    await using decoder = await load(speller, { maxSequences: 2, batchTokens: 16 });
    const speaking = decoder.generate([textOf("a")], { maxTokens: 60 });
    await speaking[Symbol.asyncIterator]().next();
    const rows = watchBatches();
    await decoder.generate([imageOf("m".repeat(100)), textOf("b")], { maxTokens: 1 }).result;
    const images = rows.flatMap((n, i) => (n > 2 ? [i] : []));
    expect(images).toHaveLength(7);
    // Between two batches of the image the speaker had its turn.
    images.slice(1).forEach((at, i) => expect(at - (images[i] as number)).toBeGreaterThanOrEqual(2));
    expect((await speaking.result).text).toBe(spelled("a", 60));
  });

  it("bring their prompts batch by batch in turn, so that a short one is not kept waiting by a long one", async () => {
    await using decoder = await load(speller, { maxSequences: 2, batchTokens: 16 });
    const done: string[] = [];
    const long = decoder.generate([textOf("z".repeat(200))], { maxTokens: 1 }).result.then(() => done.push("long"));
    const short = decoder.generate([textOf("abc")], { maxTokens: 1 }).result.then(() => done.push("short"));
    await Promise.all([long, short]);
    expect(done).toEqual(["short", "long"]);
  });

  it("wait for a slot in the order of asking, and leave the line when aborted", async () => {
    await using decoder = await load(speller, { maxSequences: 1 });
    const order: string[] = [];
    const abort = new AbortController();
    const say = (text: string, signal?: AbortSignal): Promise<unknown> =>
      decoder.generate([textOf(text)], { maxTokens: 20, ...(signal ? { signal } : {}) }).result.then(({ text: said, finishReason }) => order.push(`${text} ${finishReason} ${said.length}`));
    const all = [say("a"), say("b"), say("c", abort.signal), say("d")];
    setTimeout(() => abort.abort(), 0);
    await Promise.all(all);
    expect(order.filter((entry) => !entry.startsWith("c"))).toEqual(["a length 20", "b length 20", "d length 20"]);
    expect(order.find((entry) => entry.startsWith("c"))).toMatch(/^c aborted/);
  });

  it("end alone when one of them cannot go on", async () => {
    await using decoder = await load(speller, { maxSequences: 2 });
    const impossible = { grammar: 'root ::= "bcz"', sampling: { logitBias: { [alphabet.charCodeAt(25)]: Number.NEGATIVE_INFINITY } } };
    const [good, bad] = await Promise.allSettled([
      decoder.generate([textOf("a")], { maxTokens: 40 }).result,
      decoder.generate([textOf("a")], { maxTokens: 5, ...impossible }).result,
    ]);
    expect(good).toMatchObject({ status: "fulfilled", value: { text: spelled("a", 40) } });
    expect(bad).toMatchObject({ status: "rejected", reason: { code: "no-token-fits" } });
    expect((await decoder.generate([textOf("x")], { maxTokens: 3 }).result).text).toBe("yza");
  });
});

describe("beginnings that are known", () => {
  it("are taken from a conversation that goes on meanwhile", async () => {
    for (const sharedCells of [true, false]) {
      await using decoder = await load(speller, { maxSequences: 2, sharedCells });
      const beginning = [imageOf("hello"), textOf("q".repeat(80))];
      const first = decoder.generate([...beginning, textOf("a")], { maxTokens: 100 });
      await first[Symbol.asyncIterator]().next();
      const second = await decoder.generate([...beginning, textOf("bc")], { maxTokens: 10 }).result;
      expect(second.usage).toMatchObject({ promptTokens: 87, reusedTokens: 85 });
      expect(second.text).toBe(spelled("c", 10));
      expect((await first.result).text).toBe(spelled("a", 100));
    }
  });

  it("do not cost another conversation its cache", async () => {
    await using decoder = await load(speller, { maxSequences: 3 });
    const system = "s".repeat(20);
    const first = await decoder.generate([textOf(`${system}${"u".repeat(50)}`)], { maxTokens: 4 }).result;
    const second = await decoder.generate([textOf(`${system}${"v".repeat(50)}`)], { maxTokens: 4 }).result;
    expect([first.usage.reusedTokens, second.usage.reusedTokens]).toEqual([0, 20]);
    const [again, other] = [`${system}${"u".repeat(50)}vwxyb`, `${system}${"v".repeat(50)}wxyzb`];
    expect((await decoder.generate([textOf(again)], { maxTokens: 1 }).result).usage.reusedTokens).toBe(73);
    expect((await decoder.generate([textOf(other)], { maxTokens: 1 }).result).usage.reusedTokens).toBe(73);
  });

  it("give the logits of a prompt that was decoded whole", async () => {
    await using decoder = await load(babbler, { maxSequences: 3 });
    const say = async (text: string): Promise<{ text: string; reused: number }> => {
      const { text: said, usage } = await decoder.generate([textOf(text)], { maxTokens: 12 }).result;
      return { text: said, reused: usage.reusedTokens };
    };
    await say("the same beginning, but not the end");
    const borrowed = await say("the same beginning, and then something");
    using fresh = decoder.createSequence();
    const whole = await fresh.generate([textOf("the same beginning, and then something")], { maxTokens: 12 }).result;
    expect(borrowed).toEqual({ text: whole.text, reused: 20 });
    expect(whole.usage.reusedTokens).toBe(0);
  });
});

describe("a cache that is saved", () => {
  const prompt = [imageOf, textOf] as const;
  const conversation = (): Segment[] => [prompt[0]("picture"), textOf("what is it")];

  it("is found again by another decoder of the same model", async () => {
    let saved: Uint8Array | undefined;
    {
      await using decoder = await load(speller);
      expect(await decoder.saveCache(conversation())).toBeUndefined();
      await decoder.generate(conversation(), { maxTokens: 5 }).result;
      saved = await decoder.saveCache(conversation());
    }
    await using decoder = await load(speller, { maxSequences: 2 });
    expect(await decoder.restoreCache(saved as Uint8Array)).toBe(7 + 10 + 4);
    const { text, usage } = await decoder.generate([...conversation(), textOf("uvwxk")], { maxTokens: 5 }).result;
    expect(usage).toMatchObject({ promptTokens: 22, reusedTokens: 21 });
    expect(text).toBe("lmnop");
  });

  it("is refused when it is damaged, or of another model or type", async () => {
    await using decoder = await load(speller);
    await decoder.generate(conversation(), { maxTokens: 5 }).result;
    const saved = (await decoder.saveCache(conversation())) as Uint8Array;
    const damaged = saved.slice();
    damaged[damaged.length - 100] = (damaged[damaged.length - 100] as number) ^ 1;
    await expect(decoder.restoreCache(damaged)).rejects.toMatchObject({ code: "bad-input", message: expect.stringContaining("SHA-256") });
    await expect(decoder.restoreCache(saved.subarray(0, 40))).rejects.toMatchObject({ code: "bad-input" });
    await expect(decoder.restoreCache(new Uint8Array(100))).rejects.toThrow("expected what saveCache returns");
    await using other = await load(babbler);
    await expect(other.restoreCache(saved)).rejects.toThrow("expected a cache of");
    await using wide = await load(speller, { cacheTypeK: "f32" });
    await expect(wide.restoreCache(saved)).rejects.toThrow("f32 keys");
    await using small = await load(speller, { contextLength: 16 });
    await expect(small.restoreCache(saved)).rejects.toMatchObject({ code: "context-full" });
    expect(await decoder.restoreCache(saved)).toBe(21);
  });
});

describe("rows that look at each other", () => {
  it("give other logits than rows that look back only, and the same again", async () => {
    await using decoder = await load(babbler);
    using sequence = decoder.createSequence();
    const logits = (attention: "causal" | "non-causal", id: string): Promise<Float32Array> => sequence.logits([{ ...imageOf("some rows", attention), id } as Segment, textOf("x")]);
    const causal = await logits("causal", "1");
    const whole = await logits("non-causal", "2");
    expect(await logits("causal", "3")).toEqual(causal);
    expect(await logits("non-causal", "4")).toEqual(whole);
    expect(Math.max(...whole.map((value, i) => Math.abs(value - (causal[i] as number))))).toBeGreaterThan(0.01);
  });

  it("must fit one batch", async () => {
    await using decoder = await load(speller, { batchTokens: 16 });
    expect(decoder.info.batchTokens).toBe(16);
    expect(() => decoder.generate([imageOf("m".repeat(17), "non-causal")])).toThrow(
      expect.objectContaining({ code: "bad-input", message: expect.stringMatching(/17 rows.*a batch has 16.*batchTokens: 17/) }),
    );
    expect((await decoder.generate([imageOf("m".repeat(16), "non-causal"), textOf("a")], { maxTokens: 2 }).result).text).toBe("bc");
  });
});

describe("any number of conversations", () => {
  it("say what they say alone, whoever is aborted or left, and leave all slots free", async () => {
    await using decoder = await load(speller, { maxSequences: 3, batchTokens: 24, contextLength: 160 });
    const letters = fc.string({ unit: fc.constantFrom(...alphabet), minLength: 1, maxLength: 40 });
    const conversation = fc.record({
      parts: fc.array(fc.record({ image: fc.boolean(), whole: fc.boolean(), text: letters }), { minLength: 1, maxLength: 3 }),
      maxTokens: fc.integer({ min: 0, max: 40 }),
      ending: fc.constantFrom("none", "none", "abort", "leave"),
      after: fc.integer({ min: 0, max: 6 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(conversation, { minLength: 1, maxLength: 8 }), async (conversations) => {
        await Promise.all(
          conversations.map(async ({ parts, maxTokens, ending, after }) => {
            const segments = parts.map(({ image, whole, text }) => {
              const rows = whole ? text.slice(0, 24) : text;
              return image ? ({ ...imageOf(rows, whole ? "non-causal" : "causal"), id: `${rows} ${whole}` } as Segment) : textOf(rows);
            });
            const { whole, text } = parts.at(-1) as (typeof parts)[number];
            const expected = spelled(whole ? text.slice(0, 24) : text, maxTokens);
            const abort = new AbortController();
            const generation = decoder.generate(segments, { maxTokens, signal: abort.signal });
            let [read, chunks] = ["", 0];
            for await (const chunk of generation) {
              read += chunk.text;
              if (chunks++ < after) continue;
              if (ending === "abort") abort.abort();
              if (ending === "leave") break;
            }
            const result = await generation.result;
            expect(expected.startsWith(result.text)).toBe(true);
            expect(result.text.startsWith(read)).toBe(true);
            if (ending === "none") expect(result.text).toBe(expected);
          }),
        );
        const held = [decoder.createSequence(), decoder.createSequence(), decoder.createSequence()];
        for (const sequence of held) sequence.dispose();
      }),
      { seed: 1, numRuns: 60 },
    );
  });

  it("of a closed decoder all end", async () => {
    const decoder = await load(speller, { maxSequences: 2 });
    const generations = Promise.allSettled(["a", "b", "c", "d"].map((text) => decoder.generate([textOf(text)]).result));
    await new Promise((resolve) => setTimeout(resolve, 5));
    await decoder[Symbol.asyncDispose]();
    for (const outcome of await generations) expect(outcome).toMatchObject({ status: "rejected", reason: { code: "disposed" } });
    expect(() => decoder.generate([textOf("a")])).toThrow(expect.objectContaining({ code: "disposed" }));
  });
});
