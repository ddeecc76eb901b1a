import { ptbTokens } from "./ptb-tokenizer.js";

/** Dropped by the COCO evaluation. It compares with the lower-case tokens, so that -lrb- and -rrb- stay. */
const punctuation = new Set(["''", "'", "``", "`", ".", "?", "!", ",", ":", "-", "--", "...", ";"]);

/**
 * A caption as the COCO evaluation scores it: Penn Treebank tokens in lower case, without punctuation, joined by spaces. A
 * token may hold a no-break space ("2 1/2"), which BLEU and CIDEr split at and ROUGE does not.
 */
export function tokenizeCaption(caption: string): string {
  return ptbTokens(caption)
    .filter((token) => !punctuation.has(token))
    .join(" ");
}
