import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import * as fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadDecoder, type Decoder, type GenerateOptions, type GenerationResult, type Segment } from "../src/index.js";
import { imEnd, imStart, vocabularySize, writeTinyModel } from "./tiny-model.js";

let directory: string;
let decoder: Decoder;

const prompt: Segment[] = [{ type: "tokens", tokens: Int32Array.from(Buffer.from("hello")) }];

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "sightline-grammar-"));
  const file = path.join(directory, "flat.gguf");
  await writeTinyModel(file, { seed: 3, outputNorm: 0.1 });
  decoder = await loadDecoder(file, { contextLength: 400 });
});
afterAll(async () => {
  await decoder[Symbol.asyncDispose]();
  await rm(directory, { recursive: true });
});

async function say(options: GenerateOptions): Promise<GenerationResult> {
  using sequence = decoder.createSequence();
  return await sequence.generate(prompt, options).result;
}

describe("a grammar", () => {
  it("decides what can be said, and its end ends the text", async () => {
    const said = new Set<string>();
    for (let seed = 0; seed < 60; seed++) {
      const { text, finishReason } = await say({ grammar: 'root ::= "yes" | "no" | [x-z]{2}', sampling: { temperature: 1, seed } });
      expect(finishReason).toBe("stop");
      expect(text).toMatch(/^(yes|no|[x-z]{2})$/);
      said.add(text);
    }
    expect(said.size).toBeGreaterThan(5);
  });

  it("leaves the odds of what it allows as they are", async () => {
    using sequence = decoder.createSequence();
    const logits = await sequence.logits(prompt);
    const letters = [..."abcdef"].map((letter) => letter.charCodeAt(0));
    const weights = letters.map((id) => Math.exp((logits[id] ?? 0) / 1.5));
    const sum = weights.reduce((a, b) => a + b, 0);
    const counts = new Map<string, number>();
    const draws = 1200;
    for (let seed = 0; seed < draws; seed++) {
      const { text } = await sequence.generate(prompt, { grammar: 'root ::= [a-f] "."', maxTokens: 1, sampling: { temperature: 1.5, seed } }).result;
      counts.set(text, (counts.get(text) ?? 0) + 1);
    }
    letters.forEach((id, i) => {
      const p = (weights[i] ?? 0) / sum;
      const error = Math.abs((counts.get(String.fromCharCode(id)) ?? 0) - p * draws);
      expect(error).toBeLessThanOrEqual(5 * Math.sqrt(p * (1 - p) * draws));
    });
  });

  it("takes the likeliest token that it allows where the choice is greedy", async () => {
    using sequence = decoder.createSequence();
    const logits = await sequence.logits(prompt);
    const best = [..."0123456789"].sort((a, b) => (logits[b.charCodeAt(0)] ?? 0) - (logits[a.charCodeAt(0)] ?? 0))[0];
    expect((await sequence.generate(prompt, { grammar: "root ::= [0-9]" }).result).text).toBe(best);
  });

  it("is written in characters: a control token does not stand for its spelling", async () => {
    for (let seed = 0; seed < 20; seed++) {
      using sequence = decoder.createSequence();
      const generation = sequence.generate(prompt, { grammar: 'root ::= "<|im_start|>"', sampling: { temperature: 1, seed, logitBias: { [imStart]: 20 } } });
      const ids: number[] = [];
      for await (const { tokenIds } of generation) ids.push(...tokenIds);
      expect(ids).not.toContain(imStart);
      expect((await generation.result).text).toBe("<|im_start|>");
    }
  });

  it("works beside every kind of sampling, logprobs and stop strings", async () => {
    for (const sampling of [{ mirostat: { version: 1 } }, { mirostat: { version: 2 } }, { adaptiveP: { target: 0.3 } }, { typicalP: 0.2 }, { xtc: { probability: 1 } }] as const) {
      const { text, logprobs } = await say({ grammar: "root ::= [a-d]{6}", logprobs: 2, stop: ["zz"], sampling: { ...sampling, seed: 5 } });
      expect(text).toMatch(/^[a-d]{6}$/);
      expect(logprobs?.map(({ text: piece }) => piece).join("")).toBe(text);
    }
    expect(await say({ grammar: 'root ::= "abc" "def"', stop: ["cd"] })).toMatchObject({ text: "ab", stopSequence: "cd" });
  });

  it("that no allowed token continues is an error, and the sequence can go on", async () => {
    using sequence = decoder.createSequence();
    const banned = Object.fromEntries(Array.from({ length: vocabularySize }, (_, id) => [id, Number.NEGATIVE_INFINITY]).filter(([id]) => id !== 65));
    await expect(sequence.generate(prompt, { grammar: 'root ::= "b"', sampling: { logitBias: banned } }).result).rejects.toMatchObject({ code: "no-token-fits" });
    await expect(sequence.generate(prompt, { grammar: 'root ::= "A"', sampling: { logitBias: { [imEnd]: Number.NEGATIVE_INFINITY } } }).result).resolves.toMatchObject({ text: "A" });
    expect((await sequence.generate(prompt, { maxTokens: 2 }).result).usage.completionTokens).toBe(2);
  });

  it("is cut by maxTokens like any text", async () => {
    expect(await say({ grammar: 'root ::= "abcdefgh"', maxTokens: 1 })).toMatchObject({ finishReason: "length" });
  });
});

describe("grammars that are refused, with the place", () => {
  it.each<[unknown, string]>([
    ["", 'expected a rule "root"'],
    ["root = a", 'line 1, column 6: expected "::=" after "root"; it goes on with "= a"'],
    ['root ::= "a', 'the closing quote of a "literal"'],
    ["root ::= [a", 'the "]" of a character class'],
    ["root ::= []", "expected a character in [...]"],
    ["root ::= [z-a]", "from a lower to a higher"],
    ["root ::= x", 'expected a rule "x", which is not defined'],
    ["root ::= (a", 'expected ")"'],
    ["root ::= *", "something to repeat"],
    ['root ::= "a"{3,2}', "min up to max, got {3,2}"],
    ['root ::= "a"{9999}', "fewer than 2000 repetitions"],
    ['root ::= ("a"{100} "b"){100}', "nested ones multiplied"],
    ['root ::= "a"{99999999999999999999999}', "expected"],
    ['root ::= "\\q"', "expected one of the escapes"],
    ['root ::= "\\u12"', "4 hexadecimal digits"],
    ["root ::= root", 'does not begin with itself, got "root"'],
    ['root ::= a\na ::= b?\nb ::= "" a', "does not begin with itself"],
    ['root ::= ("a"?)*', "something that is never empty"],
    ['root ::= ""*', "empty literal"],
    ['root ::= "a"\nroot ::= "b"', 'line 2, column 1: expected one rule "root", got two'],
    ['root ::= "a" <[97]>', "column 14: tokens by name or id, <...>, are not supported"],
    ["root ::= !<think>", "are not supported"],
    [`root ::= ${"(".repeat(500)}"a"${")".repeat(500)}`, "parentheses inside one another"],
    ['root ::= "a\0"', "no NUL character"],
    ['root ::= "a" ::= "b"', "the end of the rule"],
    [7, "expected a string in GBNF, got number"],
    [Array.from({ length: 20000 }, (_, i) => `r${i} ::= r${i + 1}`).join("\n"), "at most 10000 rules"],
  ])("%j", (grammar, message) => {
    using sequence = decoder.createSequence();
    expect(() => sequence.generate(prompt, { grammar: grammar as never })).toThrow(message);
  });

  it("a grammar beside a schema, or beside ignoreEnd", () => {
    using sequence = decoder.createSequence();
    expect(() => sequence.generate(prompt, { grammar: 'root ::= "a"', jsonSchema: true })).toThrow("a grammar or a jsonSchema, got both");
    expect(() => sequence.generate(prompt, { grammar: 'root ::= "a"', ignoreEnd: true })).toThrow("ignoreEnd: expected false");
  });
});

describe("what the check lets through", () => {
  const plain = ['"a"', '"bc"', "[a-c]", "[^x]", ".", '"\\n"', '"é\\u00e9"', "[\\]\\-]"];
  const body = (...rules: string[]): fc.Arbitrary<string> => {
    const atom = fc.constantFrom(...plain, ...rules);
    const repeated = fc.tuple(atom, fc.constantFrom("", "", "", "", "*", "+", "?", "{2}", "{0,3}", "{1,}")).map((parts) => parts.join(""));
    const sequence = fc.array(repeated, { minLength: 1, maxLength: 4 }).map((parts) => parts.join(" "));
    return fc.array(fc.oneof(sequence, sequence.map((inner) => `(${inner} | "z")?`)), { minLength: 1, maxLength: 3 }).map((parts) => parts.join(" | "));
  };

  it("llama.cpp takes, and generates from", async () => {
    let taken = 0;
    await fc.assert(
      fc.asyncProperty(body("r", "s"), body("s", "r"), body(), fc.nat(1000), async (root, r, s, seed) => {
        try {
          await say({ grammar: `root ::= ${root}\nr ::= ${r}\ns ::= ${s}\n`, maxTokens: 6, sampling: { temperature: 1, seed } });
          taken++;
        } catch (error) {
          expect(error).toMatchObject({ code: "bad-option", message: expect.stringMatching(/never empty|begin with itself|empty literal/) });
        }
      }),
      { numRuns: 300, seed: 7 },
    );
    expect(taken).toBeGreaterThan(60);
  });

  it("is never a crash, however the text is broken", async () => {
    const valid = 'root ::= "a" (b | [^c-d]{2,3})* # end\nb ::= "\\x41" | [^\\u00e9]? .\n';
    await fc.assert(
      fc.asyncProperty(fc.nat(valid.length), fc.nat(6), fc.string({ maxLength: 3 }), async (at, removed, put) => {
        try {
          await say({ grammar: valid.slice(0, at) + put + valid.slice(at + removed), maxTokens: 3 });
        } catch (error) {
          expect(error).toMatchObject({ name: "DecoderError" });
        }
      }),
      { numRuns: 400, seed: 7 },
    );
  });
});
