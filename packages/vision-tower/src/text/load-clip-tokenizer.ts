import path from "node:path";
import { z } from "zod";

import { ConfigError, invalidConfig } from "../config/config-error.js";
import { readJson } from "../config/read-json.js";
import { checkVocabulary, openTokenizer, type TextTokenizer } from "./load-text-tokenizer.js";

const token = z.union([z.string().min(1), z.object({ content: z.string().min(1) }).transform(({ content }) => content)], { error: "expected a token's text" });

// Defaults of transformers' CLIPTokenizer.
const schema = z.object({
  bos_token: token.default("<|startoftext|>"),
  eos_token: token.default("<|endoftext|>"),
  pad_token: token.default("<|endoftext|>"),
});

export interface LoadClipTokenizerOptions {
  /** T, from the model's configuration. */
  readonly maxTokens: number;
  /** V, from the model's configuration; a tokenizer with ids beyond it is refused. */
  readonly vocabularySize: number;
  /** The id that the tower pools; undefined where it pools the largest id of a text. */
  readonly endId: number | undefined;
}

/**
 * Loads CLIP's `tokenizer.json` and `tokenizer_config.json`: a begin token, the text's tokens cut to T - 2, an end token,
 * padding on the right. Lower case and all else is as tokenizer.json says. open_clip's own tokenizer would also undo HTML
 * entities and mend broken Unicode first, which transformers does not.
 *
 * @throws ConfigError when a file is missing or not readable, a token of its configuration is not in the vocabulary, the
 *   vocabulary is larger than the model's, or the end token is not the one that the tower pools
 */
export async function loadClipTokenizer(directory: string, { maxTokens, vocabularySize, endId }: LoadClipTokenizerOptions): Promise<TextTokenizer> {
  const tokenizerFile = path.join(directory, "tokenizer.json");
  const configFile = path.join(directory, "tokenizer_config.json");
  const configJson = await readJson(configFile);
  const parsed = schema.safeParse(configJson);
  if (!parsed.success) throw invalidConfig("loadClipTokenizer", configFile, parsed.error, configJson);
  const tokenizer = openTokenizer(tokenizerFile, await readJson(tokenizerFile), configJson);
  checkVocabulary(tokenizer, vocabularySize, tokenizerFile);
  const idOf = (field: keyof typeof parsed.data): number => {
    const id = tokenizer.token_to_id(parsed.data[field]);
    if (id === undefined) throw new ConfigError("loadClipTokenizer", configFile, `${field}: expected a token of tokenizer.json, got ${JSON.stringify(parsed.data[field])}`);
    return id;
  };
  const [beginId, eosId, padId] = [idOf("bos_token"), idOf("eos_token"), idOf("pad_token")];
  checkEnd(endId, eosId, configFile);
  return {
    maxTokens,
    padId,
    eosId,
    encode(texts) {
      const ids = new BigInt64Array(texts.length * maxTokens).fill(BigInt(padId));
      const cut: number[] = [];
      texts.forEach((text, row) => {
        if (typeof text !== "string") throw new TypeError(`encode: expected text ${row} to be a string, got ${typeof text}`);
        const tokens = tokenizer.encode(text, { add_special_tokens: false }).ids;
        if (tokens.length > maxTokens - 2) cut.push(row);
        [beginId, ...tokens.slice(0, maxTokens - 2), eosId].forEach((id: number | undefined, i) => {
          if (id === undefined) throw new ConfigError("encode", tokenizerFile, `has no token, and no unknown token, for a part of text ${row}`);
          ids[row * maxTokens + i] = BigInt(id);
        });
      });
      return { ids, shape: [texts.length, maxTokens], cut };
    },
  };
}

function checkEnd(endId: number | undefined, eosId: number, configFile: string): void {
  if (endId !== undefined && endId !== eosId) {
    throw new ConfigError("loadClipTokenizer", configFile, `eos_token: expected the token ${endId}, which text_config.eos_token_id of config.json names, got ${eosId}; take both files from one checkpoint`);
  }
}
