import { silentTokenBits, stripBits } from "./abi/llama-v0.4.0-sampling.js";
import type { Vocabulary } from "./vocabulary.js";

/** A piece of a prompt. */
export interface TextToTokenize {
  readonly text: string;
  /** Read the spellings of special tokens in it as these tokens; not for what users write. */
  readonly specials: boolean;
}

/**
 * See Decoder.tokenizeTexts. llama.cpp cuts a text at its special tokens and tokenises what is between; so what is between
 * goes to it in one piece here too, from whatever texts it comes, and with special tokens switched off.
 */
export function tokenizeTexts(vocabulary: Vocabulary, texts: readonly TextToTokenize[], { addBos = false }: { readonly addBos?: boolean } = {}): Int32Array {
  const ids: number[] = addBos ? [...vocabulary.tokenize("", { addBos })] : [];
  let between = "";
  let stripped = false;
  const flush = (stripsEnd: boolean): void => {
    const text = stripped ? between.replace(/^[ \t-\r]+/, "") : between;
    for (const id of vocabulary.tokenize(stripsEnd ? text.replace(/[ \t-\r]+$/, "") : text)) ids.push(id);
  };
  for (const { text, specials } of texts) {
    const span = specials ? specialSpan(vocabulary, text) : undefined;
    if (!span) {
      between += text;
      continue;
    }
    between += text.slice(0, span.start);
    flush(span.stripsBefore);
    for (const id of span.ids) ids.push(id);
    between = text.slice(span.end);
    stripped = span.stripsAfter;
  }
  flush(false);
  return Int32Array.from(ids);
}

interface SpecialSpan {
  readonly start: number;
  readonly end: number;
  readonly ids: Int32Array;
  readonly stripsBefore: boolean;
  readonly stripsAfter: boolean;
}

/** A text from its first special token to its last. */
function specialSpan(vocabulary: Vocabulary, text: string): SpecialSpan | undefined {
  const found = [...vocabulary.tokenize(text, { specials: true })].flatMap((id) => {
    if ((vocabulary.attributes(id) & silentTokenBits) === 0) return [];
    const spelling = vocabulary.tokenText(id);
    // What a vocabulary has no token for may come as its unknown token, which nobody spelled.
    return spelling !== "" && text.includes(spelling) ? [{ id, spelling }] : [];
  });
  const [first, last] = [found[0], found.at(-1)];
  if (!first || !last) return undefined;
  const [start, end] = [text.indexOf(first.spelling), text.lastIndexOf(last.spelling) + last.spelling.length];
  return {
    start,
    end,
    ids: vocabulary.tokenize(text.slice(start, end), { specials: true }),
    stripsBefore: (vocabulary.attributes(first.id) & stripBits.before) !== 0,
    stripsAfter: (vocabulary.attributes(last.id) & stripBits.after) !== 0,
  };
}
