import { readFile } from "node:fs/promises";
import path from "node:path";
import { extraNames } from "./art/extra-names.js";
import { textSpecials } from "./mini-config.js";
import { objectNames } from "./objects.js";
import { tokenizerJson, trainBytePairs } from "./tokenizer/byte-level-bpe.js";
import { writeFileAtomically } from "./write-file-atomically.js";

export interface StoredTokenizer {
  readonly json: object;
  /** V, the entries of the vocabulary. */
  readonly size: number;
}

const fileOf = (folder: string): string => path.join(folder, "text-tokenizer.json");

/** Makes the text tower's tokenizer.json from the names that the recipe knows. */
export async function writeTextTokenizer(folder: string): Promise<void> {
  // Every name as a word of its own and in phrases, with the words that captions share.
  const texts = [...objectNames, ...extraNames].flatMap((name) => {
    const words = name.replaceAll("-", " ");
    return [words, `a ${words}`, `two ${words}s`, `a photo of a ${words} and an image of the ${words}`, `there is a ${words} in this picture`];
  });
  const json = tokenizerJson(trainBytePairs(texts, 2046), [textSpecials.pad, textSpecials.end], true);
  await writeFileAtomically(fileOf(folder), JSON.stringify(json));
}

/** Reads what `writeTextTokenizer` wrote. */
export function readTextTokenizer(folder: string): Promise<StoredTokenizer> {
  return readTokenizer(fileOf(folder));
}

/** A tokenizer.json and the size of its vocabulary. */
export async function readTokenizer(file: string): Promise<StoredTokenizer> {
  const json = JSON.parse(await readFile(file, "utf8")) as { readonly model: { readonly vocab: object } };
  return { json, size: Object.keys(json.model.vocab).length };
}
