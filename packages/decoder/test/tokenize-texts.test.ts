import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { loadDecoder, type Decoder, type TextToTokenize } from "../src/index.js";
import { writeTinyModel } from "./tiny-model.js";
import { byteLevelTokenizer, sentencePieceTokenizer } from "./tiny-tokenizers.js";

const specials = ["<s>", "</s>", "<turn>", "<|turn|>"];
const tokenizers = {
  "byte pairs": byteLevelTokenizer("qwen2", { specials, bos: "<s>", eos: "</s>" }),
  "SentencePiece, a space in front": sentencePieceTokenizer({ specials, eos: "</s>", spacePrefix: true }),
  "SentencePiece": sentencePieceTokenizer({ specials, eos: "</s>", spacePrefix: false }),
  // llama.cpp has Phi-3's special tokens take the white space behind them along, and knows Phi-3 by its name.
  "Phi-3's": [...byteLevelTokenizer("default", { specials: [...specials, "<unk>", "<|endoftext|>"], bos: "<s>", eos: "</s>" }), ["general.name", { type: "string", value: "phi-3" }]],
} as const;
type Name = keyof typeof tokenizers;

let folder: string;
const decoders = new Map<Name, Decoder>();
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "tokenize-texts-"));
  for (const [name, tokenizer] of Object.entries(tokenizers)) {
    const file = path.join(folder, `${decoders.size}.gguf`);
    await writeTinyModel(file, { tokenizer, layers: 1 });
    decoders.set(name as Name, await loadDecoder(file, { threads: 1, contextLength: 32 }));
  }
});
afterAll(async () => {
  for (const decoder of decoders.values()) await decoder[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

const scaffold = (text: string): TextToTokenize => ({ text, specials: true });
const written = (text: string): TextToTokenize => ({ text, specials: false });

describe.each(Object.keys(tokenizers) as Name[])("texts one after another, tokenizer %s", (name) => {
  const decoder = (): Decoder => decoders.get(name) as Decoder;

  it("become what they would be as one, wherever they are cut", () => {
    const piece = fc.constantFrom(" ", "\n", "  ", "who", "are you", "é", "<turn>", "<|turn|>", "</s>", "<", ">", "a <turn> b", "\n</s>\n");
    fc.assert(fc.property(fc.array(fc.tuple(piece, fc.boolean()), { maxLength: 8 }), (cut) => {
      // What users write holds no special token here, nor a part of one that the next text could complete.
      const texts = cut.map(([text, specialsToo]) => ({ text, specials: specialsToo || /[<>]/.test(text) }));
      fc.pre(!texts.some(({ text }, i) => text === "<" || (text === ">" && i > 0)));
      const whole = texts.map(({ text }) => text).join("");
      expect([...decoder().tokenizeTexts(texts)]).toEqual([...decoder().tokenize(whole, { specials: true })]);
    }), { numRuns: 300, seed: 5 });
  });

  it("keep what users write from being a special token, whatever it spells with its neighbours", () => {
    const special = (id: number): boolean => specials.includes(decoder().tokenText(id));
    const count = (texts: readonly TextToTokenize[]): number => [...decoder().tokenizeTexts(texts)].filter(special).length;
    expect(count([scaffold("<turn>"), written("<turn> </s>"), scaffold("</s>")])).toBe(2);
    expect(count([scaffold("<"), written("turn>"), scaffold("x"), written("<|tu"), written("rn|>")])).toBe(0);
  });

  it("begin with the token for a beginning where that is asked for", () => {
    const plain = [...decoder().tokenizeTexts([written("who"), written(" are")])];
    expect([...decoder().tokenizeTexts([written("who"), written(" are")], { addBos: true })]).toEqual([...decoder().tokenize("", { addBos: true }), ...plain]);
    expect([...decoder().tokenizeTexts([])]).toEqual([]);
  });
});

it("a word goes on over the border of scaffolding and text", () => {
  const decoder = decoders.get("byte pairs") as Decoder;
  const ids = decoder.tokenizeTexts([scaffold("<turn>me: "), written("hello")]);
  expect([...ids].map((id) => decoder.tokenText(id))).toEqual(["<turn>", "me", ":", " h", "el", "lo"]);
});

it("no space is put before what goes on", () => {
  const decoder = decoders.get("SentencePiece, a space in front") as Decoder;
  const ids = decoder.tokenizeTexts([scaffold("USER: "), written("hi"), scaffold(" BOT:")]);
  expect([...ids].map((id) => decoder.tokenText(id)).join("")).toBe(" USER: hi BOT:");
});
