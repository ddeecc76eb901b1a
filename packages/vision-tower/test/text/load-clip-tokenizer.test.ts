import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { ConfigError } from "../../src/config/config-error.js";
import { loadClipTokenizer } from "../../src/text/load-clip-tokenizer.js";
import { goldenTensors } from "../golden-tensors.js";
import { goldenJson, goldenPath } from "../goldens.js";

// Reference: transformers' CLIPTokenizer, padded to 77, by tools/reference/siglip.
const texts = goldenJson<{ text: string }[]>("tokenizers/gemma/expected.json").map(({ text }) => text);
const options = { maxTokens: 77, vocabularySize: 659, endId: undefined };

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "clip-tokenizer-test-"));
});
afterAll(() => rm(folder, { recursive: true }));

let copies = 0;
async function changed(change: object): Promise<string> {
  const directory = path.join(folder, String(copies++));
  await cp(goldenPath("clip-openai"), directory, { recursive: true });
  const file = path.join(directory, "tokenizer_config.json");
  await writeFile(file, JSON.stringify({ ...(JSON.parse(await readFile(file, "utf8")) as object), ...change }));
  return directory;
}

describe("loadClipTokenizer", () => {
  it.each(["clip-openai", "clip-laion"])("gives transformers' ids, lower case, marks and padding of %s", async (model) => {
    const { encode } = await loadClipTokenizer(goldenPath(model), options);
    const golden = goldenTensors(`${model}/outputs.safetensors`).get("input_ids")!;
    const { ids, shape } = encode(texts);
    expect(shape).toEqual(golden.shape);
    expect(ids).toEqual(golden.data);
  });

  it("cuts a long text to leave room for both marks", async () => {
    const { encode, eosId } = await loadClipTokenizer(goldenPath("clip-openai"), { ...options, maxTokens: 5 });
    const { ids } = encode(["a photo of a cat", ""]);
    expect([...ids].map(Number)).toEqual([657, expect.any(Number), expect.any(Number), expect.any(Number), eosId, 657, eosId, eosId, eosId, eosId]);
  });

  it("takes the marks of CLIPTokenizer where the file names none", async () => {
    const directory = await changed({ bos_token: undefined, eos_token: undefined, pad_token: undefined });
    expect(await loadClipTokenizer(directory, options)).toMatchObject({ padId: 658, eosId: 658 });
  });

  it.each([
    [{ pad_token: "<none>" }, options, /tokenizer_config\.json: pad_token: expected a token of tokenizer\.json, got "<none>"/],
    [{ eos_token: 7 }, options, /tokenizer_config\.json: eos_token: expected a token's text, got 7/],
    [{}, { ...options, vocabularySize: 100 }, /tokenizer\.json: expected ids below the model's vocab_size 100, got 658/],
    [{}, { ...options, endId: 49407 }, /eos_token: expected the token 49407, which text_config\.eos_token_id of config\.json names, got 658/],
  ])("refuses %j", async (change, how, message) => {
    const failure = loadClipTokenizer(await changed(change), how);
    await expect(failure).rejects.toThrow(ConfigError);
    await expect(failure).rejects.toThrow(message);
  });
});
