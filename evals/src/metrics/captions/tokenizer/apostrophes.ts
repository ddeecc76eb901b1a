import { characterKind, characterKinds } from "./character-kinds.js";
import { matchEnd } from "./match-end.js";

/** Words with apostrophes in them or at their ends. */

const apostrophe = "['\\u0092\\u2019]";
const endings = "[msd]|re|ve|ll";
/** They are tokens of their own: 's 'm 'd 're 've 'll. A straight apostrophe before more letters opens a quotation instead. */
const ending = /(?:'|&apos;)(?:[msd]|re|ve|ll)(?![A-Za-z])|[\u0092\u2019](?:[msd]|re|ve|ll)/iy;
const beginning = new RegExp(endings, "iy");
const not = /n(?:[`'\u0091\u0092\u2018\u2019\u201b]|&apos;)t/iy;
/** 'em, 'til, 'cause, '70s, '95, 'n'. */
const leading = new RegExp(`${apostrophe}(?:em|till?|cause|[0-9]0s|[0-9]{2}(?![^ \\t\\u00a0])|n${apostrophe})|'n(?![^ \\t\\u00a0])|[\\u0092\\u2019]n`, "iy");
const clipped = new RegExp(`(?:dunkin|somethin|ol)${apostrophe}(?!${endings})`, "iy");
/** c'est, nor'easter and their kind, d' and l'. */
const listed = new RegExp(`(?:c${apostrophe}(?:est|mon)|s${apostrophe}mores|nor${apostrophe}easter|ev${apostrophe}ry|li${apostrophe}l|nat${apostrophe}l|cap${apostrophe}n|e${apostrophe}er|o[\\x60'\\u0091\\u0092\\u2018\\u2019\\u201b]o|[ld]${apostrophe}|j${apostrophe}(?!${endings})|y${apostrophe}(?=[A-Za-z\\u00c0-\\u00d6\\u00d8-\\u00f6\\u00f8-\\u1fff\\u2c00-\\ud7ff\\uf900-\\uffef])(?!${endings})|cont${apostrophe}d\\.)`, "iy");
/** What may stand alone before an apostrophe and two letters or more: K'nex, B'nai. */
const oneCapital = /[A-HJ-XZn]/;
const vowel = /[aeiouyAEIOUY]/;
const afterVowel = /[aeiouA-Z]/;

export function isApostrophe(code: number): boolean {
  return code === 39 || code === 0x2019 || code === 0x92;
}

/** What may stand for an apostrophe between letters. */
export function joinsLetters(code: number): boolean {
  return isApostrophe(code) || code === 96 || code === 0x91 || code === 0x2018 || code === 0x201b;
}

/** Whether 's or its like follows at `at`, whatever letters come behind it. */
export function endingFollows(text: string, at: number): boolean {
  return isApostrophe(text.charCodeAt(at)) && matchEnd(beginning, text, at + 1) > at + 1;
}

/** Where 's or its like at `at` ends, or `at`. */
export function endingEnd(text: string, at: number): number {
  return matchEnd(ending, text, at);
}

/** Where n't at `at` ends, or `at`. */
export function notEnd(text: string, at: number): number {
  return matchEnd(not, text, at);
}

/** Where a token that begins with the apostrophe at `at` ends, 's left out, or `at`. */
export function leadingEnd(text: string, at: number): number {
  return matchEnd(leading, text, at);
}

/**
 * Where a word with an apostrophe in it ends.
 * @param at its first letter
 * @param apostropheAt behind its first run of letters
 */
export function apostropheWordEnd(text: string, at: number, apostropheAt: number): number {
  const end = Math.max(matchEnd(clipped, text, at), matchEnd(listed, text, at));
  const after = apostropheAt + 1;
  if (apostropheAt === at + 1) {
    if (!oneCapital.test(text[at] ?? "") ) return end;
    const letters = lettersEnd(text, after);
    return letters - after < 2 ? end : Math.max(end, letters);
  }
  // hallowe'en, Ko'olau, ma'am: a vowel, and a vowel or a capital.
  if (!vowel.test(text[apostropheAt - 1] ?? "") || !afterVowel.test(text[after] ?? "") || lettersEnd(text, at) !== apostropheAt) return end;
  return Math.max(end, lettersEnd(text, after));
}

/** End of the letters from `at` on, up to an accent of its own. */
function lettersEnd(text: string, at: number): number {
  let end = at;
  while (characterKinds[text.charCodeAt(end)] === characterKind.letter) end++;
  return end;
}
