import { z } from "zod";

import { invalidConfig } from "../config/config-error.js";
import type { TextCanonicalization } from "./canonical-text.js";

/** What this package takes from a tokenizer_config.json. */
export interface TextTokenizerConfig extends TextCanonicalization {
  readonly padToken: string;
  readonly eosToken: string;
  /** T; undefined where the file has none (or 1e30, transformers' way of saying so). */
  readonly maxTokens: number | undefined;
}

const token = z.union([z.string().min(1), z.object({ content: z.string().min(1) })], { error: "expected a token's text" });

const schema = z.object({
  pad_token: token,
  eos_token: token,
  // Every SigLIP was trained on lower-cased text, whether its file says so or not.
  do_lower_case: z.boolean().default(true),
  model_max_length: z.number().min(2).nullish(),
  tokenizer_class: z.string().nullish(),
});

/**
 * Reads the value of a `tokenizer_config.json`.
 *
 * @throws ConfigError naming the field, what is known and what stood there.
 */
export function parseTokenizerConfig(value: unknown, fileName: string): TextTokenizerConfig {
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw invalidConfig("parseTokenizerConfig", fileName, parsed.error, value);
  const { pad_token: pad, eos_token: eos, do_lower_case, model_max_length: length, tokenizer_class } = parsed.data;
  return {
    padToken: typeof pad === "string" ? pad : pad.content,
    eosToken: typeof eos === "string" ? eos : eos.content,
    maxTokens: length === null || length === undefined || length > 1e6 ? undefined : Math.floor(length),
    lowerCase: do_lower_case,
    // transformers' SiglipTokenizer does this in code, so no field of the file says it.
    stripPunctuation: tokenizer_class === "SiglipTokenizer",
  };
}
