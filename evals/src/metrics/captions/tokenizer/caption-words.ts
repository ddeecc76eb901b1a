import { ptbTokens } from "./ptb-tokenizer.js";

/** Dropped by the COCO evaluation. It compares with the lower-case tokens, so that -lrb- and -rrb- stay. */
const punctuation = new Set(["''", "'", "``", "`", ".", "?", "!", ",", ":", "-", "--", "...", ";"]);

/**
 * A caption as the COCO evaluation scores it: Penn Treebank tokens in lower case, without punctuation, joined by spaces. A
 * token may hold a no-break space ("2 1/2"), which BLEU and CIDEr split at and ROUGE does not.
 */
export function tokenizeCaption(caption: string): string {
  return words(caption, "");
}

/** Captions as the reference gets them, one line behind the other. Only a lone letter with a dot at a line's end depends on that. */
export function tokenizeCaptions(captions: readonly string[]): string[] {
  return captions.map((caption, i) => words(caption, captions[i + 1] ?? ""));
}

function words(caption: string, next: string): string {
  // The reference has one caption a line.
  return ptbTokens(caption.replace(/[\r\n]/g, " "), next)
    .filter((token) => !punctuation.has(token))
    .join(" ");
}
