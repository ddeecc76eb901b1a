import { keepsDotBeforeFigure, keptDot, sentenceStartsAt } from "./abbreviations.js";
import { apostropheWordEnd, endingEnd, endingFollows, isApostrophe, joinsLetters, leadingEnd, notEnd } from "./apostrophes.js";
import { isAsciiLetter, isDigit, isPlain } from "./ascii.js";
import { characterKind, characterKinds } from "./character-kinds.js";
import { emoticonEnd } from "./emoticons.js";
import { matchEnd } from "./match-end.js";
import { fileNameEnd, longNumberEnd, plainNumberEnd } from "./numbers.js";
import { symbolToken } from "./symbols.js";
import { WebNames } from "./web-names.js";

const { dropped, letter, mark, digit } = characterKind;
const softHyphen = 0xad;
const [space, dot, slash] = [32, 46, 47];

/** Words that are two. */
const twoWords: ReadonlyMap<string, number> = new Map([
  ["cannot", 3],
  ["gonna", 3],
  ["gotta", 3],
  ["lemme", 3],
  ["gimme", 3],
  ["wanna", 3],
]);

/**
 * Lower-case tokens of one line as Stanford's PTBTokenizer 3.4.1 prints them with -preserveLines -lowerCase, but for the full
 * stop that it adds after an abbreviation which ends a sentence. At each place the longest token wins. Time is linear in the
 * length of the text. Written from what that program does with some millions of texts (tools/reference/captions), not from
 * its source.
 * @param next the line behind it: whether a lone letter with a dot at a line's end is an abbreviation depends on how that begins
 */
export function ptbTokens(text: string, next = ""): string[] {
  return new Scanner(text, next).tokens();
}

const degrees = /(?:ph|ed)\.d\./iy;
/** AT&T, A+B. */
const joinedCapitals = /[A-Z]+(?:(?:[+&]|&amp;)[A-Z]+)+/y;
/** C++, F#, US$. */
const signed = /[Cc]\+\+|[CFcf]#|[A-Z]+\$/y;

class Scanner {
  readonly #text: string;
  readonly #next: string;
  readonly #tokens: string[] = [];
  readonly #web: WebNames;
  /** End of the run of letters, figures, dots and commas that was measured last. */
  #dottedRunEnd = -1;

  constructor(text: string, next: string) {
    this.#text = text;
    this.#next = next;
    this.#web = new WebNames(text);
  }

  tokens(): string[] {
    const text = this.#text;
    for (let i = 0; i < text.length; ) {
      const code = text.charCodeAt(i);
      const kind = characterKinds[code] as number;
      if (kind === letter || kind === mark) i = this.#word(i);
      else if (kind === digit) i = this.#figure(i);
      else if (code === softHyphen) i = this.#softHyphen(i);
      else if (kind === dropped) i = this.#dropped(i);
      else i = this.#symbol(i);
    }
    return this.#tokens;
  }

  /** Half of an emoji, say, which is nothing unless an address begins with it. */
  #dropped(at: number): number {
    const code = this.#text.charCodeAt(at);
    const end = code >= 0xd800 && code < 0xe000 ? this.#web.urlEnd(at) : at;
    return end > at ? this.#emitRaw(at, end) : at + 1;
  }

  #emit(from: number, to: number): number {
    const token = this.#text.slice(from, to).toLowerCase();
    this.#tokens.push(/[\u00ad ()]/.test(token) ? token.replaceAll("\u00ad", "").replaceAll(" ", "\u00a0").replaceAll("(", "-lrb-").replaceAll(")", "-rrb-") : token);
    return to;
  }

  /** An address keeps its soft hyphens. */
  #emitRaw(from: number, to: number): number {
    this.#tokens.push(this.#text.slice(from, to).toLowerCase());
    return to;
  }

  #kindAt(i: number): number {
    return i < this.#text.length ? (characterKinds[this.#text.charCodeAt(i)] as number) : dropped;
  }

  /** End of letters, accents and figures from `i` on. */
  #lettersEnd(i: number): number {
    const text = this.#text;
    let end = i;
    for (; end < text.length; end++) {
      const code = text.charCodeAt(end);
      const kind = characterKinds[code];
      if (kind !== letter && kind !== digit && kind !== mark && code !== softHyphen) break;
    }
    return end;
  }

  #word(at: number): number {
    const text = this.#text;
    const run = this.#lettersEnd(at);
    // By far the most words.
    if (run === text.length || text.charCodeAt(run) === space) {
      const word = text.slice(at, run).toLowerCase();
      const split = twoWords.get(word);
      if (split !== undefined) this.#tokens.push(word.slice(0, split), word.slice(split));
      else this.#tokens.push(word.includes("\u00ad") ? word.replaceAll("\u00ad", "") : word);
      return run;
    }
    const word = Math.max(this.#dottedWordEnd(run), text.charCodeAt(run) === dot ? fileNameEnd(text, at) : run);
    const next = text.charCodeAt(run);
    // A word of these kinds keeps its dot before a comma, colon or semicolon.
    let end = Math.max(word, this.#hyphenatedEnd(at), this.#commaHyphenEnd(at), isSign(next) ? matchEnd(joinedCapitals, text, at) : at);
    end = this.#keptDotEnd(end);
    const web = Math.max(this.#web.urlEnd(at), this.#web.mailEnd(at));
    end = Math.max(end, this.#slashedEnd(at), web, joinsLetters(next) ? apostropheWordEnd(text, at, run) : at, isSign(next) ? matchEnd(signed, text, at) : at);
    end = this.#abbreviationEnd(at, run, end);
    // n't belongs to the word before it unless something longer holds both.
    const not = this.#notAt(at, run);
    if (not >= 0 && notEnd(text, not) >= end) {
      return not > at ? this.#emit(at, not) : this.#emitContraction(not, notEnd(text, not));
    }
    const ending = endingEnd(text, word);
    if (ending > word && ending >= end) end = word;
    return end === web ? this.#emitRaw(at, end) : this.#emitWord(at, end);
  }

  #emitWord(at: number, end: number): number {
    const word = this.#text.slice(at, end).toLowerCase();
    const split = endingFollows(this.#text, end) ? undefined : twoWords.get(word);
    if (split === undefined) return this.#emit(at, end);
    this.#emit(at, at + split);
    return this.#emit(at + split, end);
  }

  /** With a straight apostrophe, as the reference writes them. */
  #emitContraction(from: number, to: number): number {
    this.#tokens.push(this.#text.slice(from, to).toLowerCase().replace(/&apos;|['\u0092\u2019]/, "'").replace(/[\u0091\u2018\u201b]/, "`"));
    return to;
  }

  /** Where n't begins when the run of letters ends with its n, or -1. */
  #notAt(at: number, run: number): number {
    const code = this.#text.charCodeAt(run);
    if (!joinsLetters(code) && code !== 38) return -1;
    if (run <= at || notEnd(this.#text, run - 1) <= run) return -1;
    // Only ASCII letters stand before it, and no other n.
    const before = this.#text.slice(at, run - 1);
    return /^(?:[A-Za-z]*[A-MO-Za-mo-z])?$/.test(before) ? run - 1 : -1;
  }

  /** Letters that go on after one of . ! ? */
  #dottedWordEnd(run: number): number {
    let end = run;
    for (;;) {
      const code = this.#text.charCodeAt(end);
      if (code !== dot && code !== 33 && code !== 63) return end;
      const kind = this.#kindAt(end + 1);
      if (kind !== letter && kind !== mark) return end;
      end = this.#lettersEnd(end + 1);
    }
  }

  /** Letters and figures without accents of their own. */
  #plainEnd(i: number): number {
    let end = i;
    for (; end < this.#text.length; end++) {
      const kind = characterKinds[this.#text.charCodeAt(end)];
      if (kind !== letter && kind !== digit) break;
    }
    return end;
  }

  /** semi-truck, snake_case, will-o'wisp: letters and figures joined by hyphens and low lines. */
  #hyphenatedEnd(at: number): number {
    let end = this.#hyphenPartEnd(at);
    if (end === at) return at;
    for (;;) {
      if (!isJoint(this.#text.charCodeAt(end))) return end;
      const next = this.#hyphenPartEnd(end + 1);
      if (next === end + 1) return end;
      end = next;
    }
  }

  /** Also with d', o' or l' before two letters or more. */
  #hyphenPartEnd(at: number): number {
    const text = this.#text;
    if (joinsLetters(text.charCodeAt(at + 1)) && /[dol]/i.test(text[at] ?? "")) {
      const end = this.#plainEnd(at + 2);
      if (end - at >= 4) return end;
    }
    return this.#plainEnd(at);
  }

  /** U.S.-based, 10,000-seat: plain letters, figures, dots and commas, then hyphens and more of the first two. */
  #commaHyphenEnd(at: number): number {
    const text = this.#text;
    if (!isPlain(text.charCodeAt(at))) return at;
    if (at >= this.#dottedRunEnd) {
      let i = at;
      for (let code = text.charCodeAt(i); isPlain(code) || code === softHyphen || code === dot || code === 44; code = text.charCodeAt(i)) i++;
      this.#dottedRunEnd = i;
    }
    let end = this.#dottedRunEnd;
    let found = at;
    while (text[end] === "-" && isPlain(text.charCodeAt(end + 1))) {
      const from = end + 1;
      const acronym = acronymEnd(text, from);
      end = from;
      while (isPlain(text.charCodeAt(end)) || text.charCodeAt(end) === softHyphen) end++;
      if (acronym > end && acronym - from >= 4) end = acronym;
      found = end;
    }
    return found;
  }

  /** and/or, his-and-her/their: up to three parts. */
  #slashedEnd(at: number): number {
    let end = this.#slashPartEnd(at);
    if (end === at) return at;
    let found = at;
    for (let parts = 0; parts < 2; parts++) {
      const from = this.#text[end] === "\\" ? end + 1 : end;
      if (this.#text.charCodeAt(from) !== slash) break;
      const next = this.#slashPartEnd(from + 1);
      if (next === from + 1) break;
      found = end = next;
    }
    return found;
  }

  #slashPartEnd(at: number): number {
    const text = this.#text;
    let end = at;
    while (isPlain(text.charCodeAt(end))) end++;
    if (end === at) return at;
    for (let hyphens = 0; hyphens < 2; hyphens++) {
      if (text[end] !== "-" || !isAsciiLetter(text.charCodeAt(end + 1))) break;
      end++;
      while (isAsciiLetter(text.charCodeAt(end))) end++;
    }
    return end;
  }

  #keptDotEnd(end: number): number {
    if (this.#text.charCodeAt(end) !== dot) return end;
    const after = this.#text.charCodeAt(end + 1);
    return after === 44 || after === 58 || after === 59 ? end + 1 : end;
  }

  /** Where Mr. or p.m. at `at` ends if that wins over a token up to `end`; `end` otherwise. */
  #abbreviationEnd(at: number, run: number, end: number): number {
    const text = this.#text;
    if (text.charCodeAt(run) !== dot || !isAsciiLetter(text.charCodeAt(at))) return end;
    if (run === at + 1) {
      const acronym = acronymEnd(text, at);
      // A single letter ends the sentence when the next begins.
      return acronym === at + 2 && sentenceStartsAt(text, acronym, this.#next) ? end : Math.max(end, acronym);
    }
    const degree = matchEnd(degrees, text, at);
    if (degree > at) return end <= degree + (text.charCodeAt(degree) === 45 ? 2 : 1) ? degree : end;
    const word = text.slice(at, run);
    const kept = keptDot(word);
    if (kept === "firm") return Math.max(end, run + 1);
    // What follows counts in, a letter or a hyphen and what is behind it; and it wins a tie.
    if (kept === "closing") return end <= run + (text.charCodeAt(run + 1) === 45 ? 3 : 2) ? run + 1 : end;
    const after = text.charCodeAt(run + 1);
    const figure = after === space || after === 0xa0 ? run + 2 : run + 1;
    const code = figure === text.length ? this.#next.charCodeAt(0) : text.charCodeAt(figure);
    return isDigit(code) && keepsDotBeforeFigure(word) ? Math.max(end, run + 1) : end;
  }

  #figure(at: number): number {
    const text = this.#text;
    const word = this.#keptDotEnd(Math.max(this.#hyphenatedEnd(at), this.#commaHyphenEnd(at)));
    const ends = [plainNumberEnd(text, at), longNumberEnd(text, at), fileNameEnd(text, at), word, this.#slashedEnd(at), this.#web.urlEnd(at), this.#web.mailEnd(at)];
    return this.#emit(at, Math.max(at + 1, ...ends));
  }

  /** Inside and at the ends of a word it goes, alone it is a hyphen. */
  #softHyphen(at: number): number {
    if (this.#lettersEnd(at) > at + 1) return this.#word(at);
    this.#tokens.push("-");
    return at + 1;
  }

  #symbol(at: number): number {
    const text = this.#text;
    const code = text.charCodeAt(at);
    const face = emoticonEnd(text, at);
    const number = Math.max(plainNumberEnd(text, at), code === 40 || code === 43 ? longNumberEnd(text, at) : at);
    const web = Math.max(code === 64 ? this.#web.handleEnd(at) : at, code === 60 ? Math.max(this.#web.tagEnd(at), this.#web.mailEnd(at)) : at, this.#web.urlEnd(at));
    let end = Math.max(face, number, web);
    if (isApostrophe(code)) {
      const ending = endingEnd(text, at);
      if (ending > at && ending >= end) return this.#emitContraction(at, ending);
      if (/^'(?:tis|twas)/i.test(text.slice(at, at + 5))) return this.#emitContraction(at, at + 2);
      end = Math.max(end, leadingEnd(text, at));
    }
    const entity = code === 38 ? this.#web.entityEnd(at) : at;
    if (end > at && end >= entity) return this.#emit(at, end);
    if (entity > at && text.slice(at, entity).toLowerCase() === "&nbsp;") return entity;
    const token = symbolToken(text, at, entity);
    this.#tokens.push(token.text);
    return token.end;
  }
}

function isJoint(code: number): boolean {
  return code === 45 || code === 95 || code === 0x2010 || code === 0x2011 || code === 0x58a;
}

/** Where letters with a dot behind each end, as in T.V. or A. */
function acronymEnd(text: string, at: number): number {
  let end = at;
  while (isAsciiLetter(text.charCodeAt(end)) && text.charCodeAt(end + 1) === dot) end += 2;
  return end;
}

function isSign(code: number): boolean {
  return code === 35 || code === 36 || code === 38 || code === 43;
}
