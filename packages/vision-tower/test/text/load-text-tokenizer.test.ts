import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, describe, expect, it } from "vitest";

import { loadTextTokenizer } from "../../src/text/load-text-tokenizer.js";
import { goldenJson, goldenPath } from "../goldens.js";

interface Case {
  text: string;
  ids: number[];
}

let directory: string | undefined;
afterEach(() => {
  if (directory !== undefined) rmSync(directory, { recursive: true });
  directory = undefined;
});

/** A copy of a golden tokenizer with fields of its tokenizer_config.json replaced. */
function altered(name: string, fields: Record<string, unknown>): string {
  directory = mkdtempSync(path.join(tmpdir(), "sightline-tokenizer-"));
  cpSync(goldenPath(`tokenizers/${name}`), directory, { recursive: true });
  const file = path.join(directory, "tokenizer_config.json");
  writeFileSync(file, JSON.stringify({ ...(JSON.parse(readFileSync(file, "utf8")) as object), ...fields }));
  return directory;
}

// The gemma tokenizer's file has no length: 1e30 stands there, which transformers writes for none.
const kinds = [
  { name: "sentencepiece", maxTokens: undefined, length: 64, padId: 1, eosId: 1 },
  { name: "gemma", maxTokens: 64, length: 64, padId: 0, eosId: 1 },
  { name: "byte-level", maxTokens: undefined, length: 16, padId: 1, eosId: 0 },
];

describe.each(kinds)("a $name tokenizer", ({ name, maxTokens, length, padId, eosId }) => {
  const cases = goldenJson<Case[]>(`tokenizers/${name}/expected.json`);
  const load = () => loadTextTokenizer(goldenPath(`tokenizers/${name}`), maxTokens === undefined ? {} : { maxTokens });

  it("reads its length, padding and end from its own files", async () => {
    expect(await load()).toMatchObject({ maxTokens: length, padId, eosId });
  });

  it.each(cases)("gives the reference's ids for $text", async ({ text, ids }) => {
    expect([...(await load()).encode([text]).ids].map(Number)).toEqual(ids);
  });

  it("puts each text of a batch in its row", async () => {
    const batch = (await load()).encode(cases.map(({ text }) => text));
    expect(batch.shape).toEqual([cases.length, length]);
    expect([...batch.ids].map(Number)).toEqual(cases.flatMap(({ ids }) => ids));
  });

  it("keeps the end of a text that is too long, and pads one that is empty", async () => {
    const { ids } = (await load()).encode(["the dogs ".repeat(100), ""]);
    expect(Number(ids[length - 1])).toBe(eosId);
    expect(ids.slice(0, length - 1)).not.toContain(BigInt(eosId));
    expect([...ids.subarray(length)].map(Number)).toEqual([eosId, ...Array<number>(length - 1).fill(padId)]);
  });
});

describe("loadTextTokenizer", () => {
  it("cuts and pads to the model's length where that is given", async () => {
    const { ids, shape } = (await loadTextTokenizer(goldenPath("tokenizers/byte-level"), { maxTokens: 3 })).encode(["a photo of a cat", ""]);
    expect(shape).toEqual([2, 3]);
    expect([...ids].map(Number)).toEqual([66, 271, 0, 0, 1, 1]);
  });

  it("keeps capitals only where the file says so", async () => {
    const cased = await loadTextTokenizer(altered("byte-level", { do_lower_case: false }));
    const [upper, lower] = [cased.encode(["CAT"]).ids, cased.encode(["cat"]).ids];
    expect(upper).not.toEqual(lower);
    const uncased = await loadTextTokenizer(goldenPath("tokenizers/byte-level"));
    expect(uncased.encode(["CAT"]).ids).toEqual(lower);
  });

  it("needs a length from somewhere", async () => {
    await expect(loadTextTokenizer(goldenPath("tokenizers/gemma"))).rejects.toThrow(
      /tokenizer_config\.json: model_max_length: expected the model's text length, got none; pass maxTokens$/,
    );
  });

  it("refuses a vocabulary larger than the model's, naming both numbers", async () => {
    const gemma = goldenPath("tokenizers/gemma");
    await expect(loadTextTokenizer(gemma, { maxTokens: 64, vocabularySize: 420 })).resolves.toBeDefined();
    await expect(loadTextTokenizer(gemma, { maxTokens: 64, vocabularySize: 419 })).rejects.toThrow("expected ids below the model's vocab_size 419, got 419");
  });

  it("names the field whose token is not there", async () => {
    await expect(loadTextTokenizer(altered("gemma", { pad_token: "<nope>" }), { maxTokens: 8 })).rejects.toThrow(
      'tokenizer_config.json: pad_token: expected a token of tokenizer.json, got "<nope>"',
    );
    rmSync(directory!, { recursive: true });
    await expect(loadTextTokenizer(altered("gemma", { eos_token: null }), { maxTokens: 8 })).rejects.toThrow("eos_token: expected a token's text, got null");
  });

  it("names a file that is missing or damaged", async () => {
    await expect(loadTextTokenizer(goldenPath("decode"))).rejects.toThrow(/tokenizer_config\.json: no such file/);
    const copy = altered("gemma", {});
    for (const [text, problem] of [["{", "is not valid JSON"], ["[1]", "is not a tokenizer that can be read"], ["5", "expected an object"], ["{}", "is not a tokenizer"]] as const) {
      writeFileSync(path.join(copy, "tokenizer.json"), text);
      await expect(loadTextTokenizer(copy, { maxTokens: 8 }), text).rejects.toThrow(`${path.join(copy, "tokenizer.json")}: ${problem}`);
    }
  });

  it("rejects what is no text, and stops when told to", async () => {
    const tokenizer = await loadTextTokenizer(goldenPath("tokenizers/byte-level"));
    expect(() => tokenizer.encode(["a", 5 as unknown as string])).toThrow("encode: expected text 1 to be a string, got number");
    expect(tokenizer.encode([]).shape).toEqual([0, 16]);
    const reason = new Error("enough");
    await expect(loadTextTokenizer(goldenPath("tokenizers/gemma"), { signal: AbortSignal.abort(reason) })).rejects.toThrow();
  });
});
