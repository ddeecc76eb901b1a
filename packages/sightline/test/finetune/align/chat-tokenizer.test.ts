import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openChatTokenizer, type ChatTokenizer } from "../../../src/finetune/align/chat-tokenizer.js";

/** Letters, one merge "a" + "b", and two special tokens of which the second takes the white space before it. */
const vocabulary = { "<|end|>": 0, "<|image|>": 1, a: 2, b: 3, ab: 4, "Ġ": 5, "<": 6, "|": 7, e: 8, n: 9, d: 10, ">": 11 };
const added = (id: number, content: string, lstrip: boolean): object => ({ id, content, single_word: false, lstrip, rstrip: false, normalized: false, special: true });

let folder: string;
let tokenizer: ChatTokenizer;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "chat-tokenizer-"));
  const json = {
    version: "1.0",
    added_tokens: [added(0, "<|end|>", false), added(1, "<|image|>", true)],
    normalizer: null,
    pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: false },
    post_processor: null,
    decoder: { type: "ByteLevel" },
    model: { type: "BPE", vocab: vocabulary, merges: [["a", "b"]], unk_token: null },
  };
  await writeFile(path.join(folder, "tokenizer.json"), JSON.stringify(json));
  await writeFile(path.join(folder, "tokenizer_config.json"), JSON.stringify({ eos_token: "<|end|>" }));
  tokenizer = await openChatTokenizer(folder);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const ids = (...texts: readonly (readonly [text: string, specials: boolean])[]): number[] => [...tokenizer.tokenizeTexts(texts.map(([text, specials]) => ({ text, specials })))];

describe("texts of a prompt, by a Hugging Face tokenizer", () => {
  it("spells words across the border of two texts, as in one", () => {
    expect(ids(["<|end|>a", true], ["b", false])).toEqual([0, 4]);
    expect(ids(["a", false], ["", true], ["b", false])).toEqual([4]);
  });

  it("reads special tokens in scaffolding, and leaves their spellings in a user's text as text", () => {
    expect(ids(["a<|end|>b", true])).toEqual([2, 0, 3]);
    expect(ids(["<|end|>", false])).toEqual([6, 7, 8, 9, 10, 7, 11]);
  });

  it("never puts a special token together from two texts", () => {
    expect(ids(["<|end", true], ["|>", false])).toEqual([6, 7, 8, 9, 10, 7, 11]);
  });

  it("lets a token take the white space before it where it says so", () => {
    expect(ids(["a <|image|>", true], [" b", false])).toEqual([2, 1, 5, 3]);
  });
});
