import { characterKind, characterKinds } from "./character-kinds.js";

/** Words with apostrophes in them or at their ends. */

const apostrophe = "['\\u0092\\u2019]";
const letter = "[^\\x00-@[-`{-\\xa9\\u2000-\\u2bff]";
/** Endings that are tokens of their own: 's 'm 'd 're 've 'll, where no letter follows. */
const ending = /(?:['\u0092\u2019]|&apos;)(?:[msd]|re|ve|ll)(?![A-Za-z])/iy;
const not = /n(?:['\u0092\u2019`]|&apos;)t/iy;
/** 'em, 'til, 'cause, '70s, 'n'. */
const leading = new RegExp(`${apostrophe}(?:em|till?|cause|[0-9]0s|n${apostrophe}?(?![A-Za-z]))`, "iy");
const clipped = new RegExp(`(?:dunkin|somethin|ol)${apostrophe}`, "iy");
/** c'est, nor'easter and their kind, d' and l'. */
const listed = new RegExp(`(?:c${apostrophe}(?:est|mon)|s${apostrophe}mores|nor${apostrophe}easter|ev${apostrophe}ry|li${apostrophe}l|nat${apostrophe}l|cap${apostrophe}n|[ldj]${apostrophe}|cont${apostrophe}d\\.)`, "iy");
/** K'nex, B'nai, n'er. */
const oneCapital = new RegExp(`[A-HJ-XZn]${apostrophe}${letter}{2,}`, "y");
const vowel = /[aeiouyAEIOUY]/;
const afterVowel = /[aeiouA-Z]/;

export function isApostrophe(code: number): boolean {
  return code === 39 || code === 0x2019 || code === 0x92;
}

/** Where 's or its like at `at` ends, or `at`. */
export function endingEnd(text: string, at: number): number {
  return endOf(ending, text, at);
}

/** Where n't at `at` ends, or `at`. */
export function notEnd(text: string, at: number): number {
  return endOf(not, text, at);
}

/** Where a token that begins with the apostrophe at `at` ends, 's left out, or `at`. */
export function leadingEnd(text: string, at: number): number {
  return endOf(leading, text, at);
}

/**
 * Where a word with an apostrophe in it ends.
 * @param at its first letter
 * @param apostropheAt behind its first run of letters
 */
export function apostropheWordEnd(text: string, at: number, apostropheAt: number): number {
  let end = Math.max(endOf(clipped, text, at), endOf(listed, text, at), endOf(oneCapital, text, at));
  // hallowe'en, Ko'olau, ma'am: a vowel, and a vowel or a capital.
  if (vowel.test(text[apostropheAt - 1] ?? "") && afterVowel.test(text[apostropheAt + 1] ?? "")) {
    let i = apostropheAt + 2;
    while (isLetter(text.charCodeAt(i))) i++;
    end = Math.max(end, i);
  }
  return end;
}

function isLetter(code: number): boolean {
  const kind = characterKinds[code];
  return kind === characterKind.letter || kind === characterKind.mark;
}

function endOf(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at;
  return pattern.test(text) ? pattern.lastIndex : at;
}
