import { tokenizers } from "../abi/llama-v0.4.0-architectures.js";
import { ggufTypes, type GgufHeader } from "../gguf-metadata.js";
import type { Fail } from "./check-decoder-header.js";

/**
 * Checks that the tokenizer is known and no two tokens are spelled alike, and that a SentencePiece vocabulary, which falls
 * back to bytes, has them all. Without them llama.cpp would end the process at the first text that needs one.
 */
export function checkTokenizer({ values, arrays }: GgufHeader, fail: Fail, unsupported: Fail): void {
  const model = values.get("tokenizer.ggml.model");
  if (model === undefined || model.value === "no_vocab" || model.value === "none") throw unsupported("the model has no tokenizer");
  const kind = model.type === ggufTypes.string && Object.hasOwn(tokenizers, String(model.value)) ? tokenizers[String(model.value)] : undefined;
  if (kind === undefined) throw unsupported(`tokenizer.ggml.model: expected one of ${Object.keys(tokenizers).join(", ")}, got ${JSON.stringify(String(model.value).slice(0, 40))}`);
  const tokens = arrays.get("tokenizer.ggml.tokens");
  if (tokens === undefined || tokens.of !== ggufTypes.string || tokens.length === 0) throw fail("tokenizer.ggml.tokens: expected an array of texts, got none");
  const known = new Set<string>();
  let id = 0;
  for (const token of tokens.byteStrings()) {
    // llama.cpp reads up to the first zero byte, and names empty ones.
    const spelling = token.split("\0", 1)[0] || `[EMPTY_${id}]`;
    if (known.has(spelling)) throw fail(`tokenizer.ggml.tokens: expected each token once, got ${JSON.stringify(spelling.slice(0, 40))} a second time at ${id}`);
    known.add(spelling);
    id++;
  }
  if (kind !== "sentencepiece") return;
  for (let byte = 0; byte < 256; byte++) {
    const name = `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`;
    if (!known.has(name) && !known.has(String.fromCharCode(byte))) throw fail(`tokenizer.ggml.tokens: expected a token for each byte, as SentencePiece falls back to them, got none for ${name}`);
  }
}
