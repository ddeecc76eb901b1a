import path from "node:path";
import { Tokenizer } from "@huggingface/tokenizers";

import { ConfigError } from "../config/config-error.js";
import { readJson } from "../config/read-json.js";
import { canonicalText } from "./canonical-text.js";
import { parseTokenizerConfig } from "./tokenizer-config.js";

/** Texts as the text tower takes them: `ids` is `int64[B, T]`. */
export interface TokenBatch {
  readonly ids: BigInt64Array;
  readonly shape: readonly [batch: number, tokens: number];
  /** Rows whose text was cut, since it has more than T - 1 tokens. */
  readonly cut: readonly number[];
}

/** Turns texts into token ids exactly as a checkpoint was trained on them. */
export interface TextTokenizer {
  /** T, the length that every text is padded and cut to. */
  readonly maxTokens: number;
  readonly padId: number;
  readonly eosId: number;
  /**
   * `int64[B, T]`: the text's tokens, cut to T - 1; the end token; then padding on the right. No begin token. There is
   * no mask: the tower was trained to see its padding.
   *
   * A special token written out in a text is read as that token, as transformers does.
   */
  encode(texts: readonly string[]): TokenBatch;
}

/** What a checkpoint says of its tokenizer besides the tokenizer's files. */
export interface LoadTextTokenizerOptions {
  /** T, from the model's configuration; comes before `model_max_length` of tokenizer_config.json. */
  readonly maxTokens?: number;
  /** V, from the model's configuration; a tokenizer with ids beyond it is refused. */
  readonly vocabularySize?: number;
  readonly signal?: AbortSignal;
}

/** The tokenizer of a parsed tokenizer.json; throws ConfigError when it cannot be read. */
export function openTokenizer(tokenizerFile: string, json: unknown, configJson: unknown): Tokenizer {
  if (json === null || typeof json !== "object" || configJson === null || typeof configJson !== "object") {
    throw new ConfigError("loadTextTokenizer", tokenizerFile, "expected an object; download it again");
  }
  try {
    return new Tokenizer(json, configJson);
  } catch (cause) {
    throw new ConfigError("loadTextTokenizer", tokenizerFile, "is not a tokenizer that can be read; download it again", { cause });
  }
}

/**
 * Loads `tokenizer.json` and `tokenizer_config.json` of a model directory.
 *
 * What the files say about padding, truncation and begin tokens is not followed: transformers' Siglip2Tokenizer pads on
 * the left, for one, which is not what the checkpoints were trained with.
 *
 * @throws ConfigError when a file is missing or not readable, the length is known nowhere, a token of its
 *   configuration is not in the vocabulary, or the vocabulary is larger than the model's.
 */
export async function loadTextTokenizer(directory: string, options: LoadTextTokenizerOptions = {}): Promise<TextTokenizer> {
  const { signal, vocabularySize } = options;
  const tokenizerFile = path.join(directory, "tokenizer.json");
  const configFile = path.join(directory, "tokenizer_config.json");
  const configJson = await readJson(configFile, signal);
  const config = parseTokenizerConfig(configJson, configFile);
  const tokenizer = openTokenizer(tokenizerFile, await readJson(tokenizerFile, signal), configJson);

  const maxTokens = options.maxTokens ?? config.maxTokens;
  if (maxTokens === undefined) {
    throw new ConfigError("loadTextTokenizer", configFile, "model_max_length: expected the model's text length, got none; pass maxTokens");
  }
  const idOf = (field: string, token: string): number => {
    const id = tokenizer.token_to_id(token);
    if (id === undefined) throw new ConfigError("loadTextTokenizer", configFile, `${field}: expected a token of tokenizer.json, got ${JSON.stringify(token)}`);
    return id;
  };
  const padId = idOf("pad_token", config.padToken);
  const eosId = idOf("eos_token", config.eosToken);
  if (vocabularySize !== undefined) checkVocabulary(tokenizer, vocabularySize, tokenizerFile);

  return {
    maxTokens,
    padId,
    eosId,
    encode(texts) {
      const ids = new BigInt64Array(texts.length * maxTokens).fill(BigInt(padId));
      const cut: number[] = [];
      texts.forEach((text, row) => {
        if (typeof text !== "string") throw new TypeError(`encode: expected text ${row} to be a string, got ${typeof text}`);
        const tokens = tokenizer.encode(canonicalText(text, config), { add_special_tokens: false }).ids;
        if (tokens.length > maxTokens - 1) cut.push(row);
        [...tokens.slice(0, maxTokens - 1), eosId].forEach((id: number | undefined, i) => {
          if (id === undefined) throw new ConfigError("encode", tokenizerFile, `has no token, and no unknown token, for a part of text ${row}`);
          ids[row * maxTokens + i] = BigInt(id);
        });
      });
      return { ids, shape: [texts.length, maxTokens], cut };
    },
  };
}

/** Throws ConfigError when the tokenizer has ids beyond the model's. */
export function checkVocabulary(tokenizer: Tokenizer, vocabularySize: number, tokenizerFile: string): void {
  let largest = -1;
  for (const id of tokenizer.get_vocab().values()) largest = Math.max(largest, id);
  if (largest >= vocabularySize) {
    throw new ConfigError("loadTextTokenizer", tokenizerFile, `expected ids below the model's vocab_size ${vocabularySize}, got ${largest}; take both files from one checkpoint`);
  }
}
