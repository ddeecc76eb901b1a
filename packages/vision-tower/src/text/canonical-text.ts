/** What a checkpoint did to its captions before it tokenised them. */
export interface TextCanonicalization {
  readonly lowerCase: boolean;
  /** Without ASCII punctuation, and with each run of white space as one space: SigLIP 1. */
  readonly stripPunctuation: boolean;
}

/** Applying it twice changes nothing, so it does no harm where tokenizer.json has a normaliser of the same kind. */
export function canonicalText(text: string, { lowerCase, stripPunctuation }: TextCanonicalization): string {
  const cased = lowerCase ? text.toLowerCase() : text;
  return stripPunctuation ? cased.replace(/[!-/:-@[-`{-~]/g, "").replace(/\s+/g, " ").trim() : cased;
}
