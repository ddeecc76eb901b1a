import { keepsDot, keepsDotBeforeFigure } from "./abbreviations.js";
import { apostropheWordEnd, endingEnd, isApostrophe, leadingEnd, notEnd } from "./apostrophes.js";
import { characterKind, characterKinds } from "./character-kinds.js";
import { emoticonEnd } from "./emoticons.js";
import { isDigit, longNumberEnd, plainNumberEnd } from "./numbers.js";
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
 */
export function ptbTokens(text: string): string[] {
  return new Scanner(text).tokens();
}

const signed = /[A-Z]+(?:(?:[+&]|&amp;)[A-Z]+)+|[Cc]\+\+|[A-Za-z]#|[A-Z]+\$/y;

class Scanner {
  readonly #text: string;
  readonly #tokens: string[] = [];
  readonly #web: WebNames;
  /** End of the run of letters, figures, dots and commas that was measured last. */
  #dottedRunEnd = -1;

  constructor(text: string) {
    this.#text = text;
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
      else if (kind === dropped) i++;
      else i = this.#symbol(i);
    }
    return this.#tokens;
  }

  #emit(from: number, to: number): number {
    const token = this.#text.slice(from, to).toLowerCase();
    this.#tokens.push(/[\u00ad ()]/.test(token) ? token.replaceAll("\u00ad", "").replaceAll(" ", "\u00a0").replaceAll("(", "-lrb-").replaceAll(")", "-rrb-") : token);
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
    const word = this.#dottedWordEnd(run);
    let end = Math.max(word, this.#hyphenatedEnd(at), this.#commaHyphenEnd(at), this.#slashedEnd(at), this.#abbreviationEnd(at, run), this.#web.urlEnd(at), this.#web.mailEnd(at));
    if (isApostrophe(text.charCodeAt(run))) end = Math.max(end, apostropheWordEnd(text, at, run), this.#prefixedEnd(at, run));
    if (isSign(text.charCodeAt(run))) end = Math.max(end, this.#signedEnd(at, run));
    // n't belongs to the word before it unless something longer holds both.
    const not = this.#notAt(at, run);
    if (not > 0 && notEnd(text, not) >= end) {
      if (not > at) this.#emit(at, not);
      return this.#emitContraction(not, notEnd(text, not));
    }
    const ending = endingEnd(text, word);
    if (ending > word && ending >= end) end = word;
    return this.#emitWord(at, end);
  }

  #emitWord(at: number, end: number): number {
    const word = this.#text.slice(at, end).toLowerCase();
    const split = twoWords.get(word);
    if (split === undefined) return this.#emit(at, end);
    this.#emit(at, at + split);
    return this.#emit(at + split, end);
  }

  /** With a straight apostrophe, as the reference writes them. */
  #emitContraction(from: number, to: number): number {
    this.#tokens.push(this.#text.slice(from, to).toLowerCase().replace(/&apos;|['\u0092\u2019]/, "'"));
    return to;
  }

  /** Where n't begins when the run of letters ends with its n; 0 or less when it does not. */
  #notAt(at: number, run: number): number {
    const code = this.#text.charCodeAt(run);
    if (!isApostrophe(code) && code !== 96 && code !== 38) return -1;
    return run - 1 >= at && notEnd(this.#text, run - 1) > run ? run - 1 : -1;
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
    const text = this.#text;
    let end = i;
    for (; end < text.length; end++) {
      const code = text.charCodeAt(end);
      const kind = characterKinds[code];
      if (kind !== letter && kind !== digit && code !== softHyphen) break;
    }
    return end;
  }

  /** semi-truck, snake_case: letters and figures joined by hyphens and low lines. */
  #hyphenatedEnd(at: number): number {
    let end = this.#plainEnd(at);
    if (end === at) return at;
    for (;;) {
      if (!isJoint(this.#text.charCodeAt(end))) return end;
      const next = this.#plainEnd(end + 1);
      if (next === end + 1) return end;
      end = next;
    }
  }

  /** o'clock, d'Angelo-Smith. */
  #prefixedEnd(at: number, apostropheAt: number): number {
    if (apostropheAt !== at + 1 || !/[dol]/i.test(this.#text[at] ?? "")) return at;
    const from = apostropheAt + 1;
    return this.#plainEnd(from) - from < 2 ? at : this.#hyphenatedEnd(from);
  }

  /** U.S.-based, 10,000-seat: plain letters, figures, dots and commas, then hyphens and more of the first two. */
  #commaHyphenEnd(at: number): number {
    const text = this.#text;
    if (!isPlain(text.charCodeAt(at))) return at;
    if (at >= this.#dottedRunEnd) {
      let i = at;
      for (let code = text.charCodeAt(i); isPlain(code) || code === dot || code === 44; code = text.charCodeAt(i)) i++;
      this.#dottedRunEnd = i;
    }
    let end = this.#dottedRunEnd;
    let found = at;
    while (text[end] === "-" && isPlain(text.charCodeAt(end + 1))) {
      end++;
      while (isPlain(text.charCodeAt(end))) end++;
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

  /** Mr. p.m. and, before a comma, any word with its dot. */
  #abbreviationEnd(at: number, run: number): number {
    const text = this.#text;
    if (!isAsciiLetter(text.charCodeAt(at))) return at;
    let end = at;
    if (text.charCodeAt(at + 1) === dot) {
      end = at + 2;
      while (isAsciiLetter(text.charCodeAt(end)) && text.charCodeAt(end + 1) === dot) end += 2;
      return end;
    }
    if (text.charCodeAt(run) !== dot) return at;
    const word = text.slice(at, run);
    if (keepsDot(word)) return run + 1;
    const after = text.charCodeAt(run + 1);
    if (after === 44 || after === 58 || after === 59) return run + 1;
    const figure = after === space || after === 0xa0 ? run + 2 : run + 1;
    return isDigit(text.charCodeAt(figure)) && keepsDotBeforeFigure(word) ? run + 1 : at;
  }

  /** AT&T, A+B, C++, F#, US$: what begins with capitals and a sign. */
  #signedEnd(at: number, run: number): number {
    signed.lastIndex = at;
    return signed.test(this.#text) ? Math.max(run, signed.lastIndex) : run;
  }

  #figure(at: number): number {
    const text = this.#text;
    const ends = [plainNumberEnd(text, at), longNumberEnd(text, at), this.#hyphenatedEnd(at), this.#commaHyphenEnd(at), this.#slashedEnd(at), this.#web.urlEnd(at), this.#web.mailEnd(at)];
    return this.#emit(at, Math.max(at + 1, ...ends));
  }

  #softHyphen(at: number): number {
    const end = this.#lettersEnd(at);
    if (end === at + 1) {
      this.#tokens.push("-");
      return end;
    }
    return this.#emit(at, end);
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
      const tis = /^.(?:tis|twas)(?![A-Za-z])/i.test(text.slice(at, at + 6));
      if (tis) {
        this.#emitContraction(at, at + 2);
        return at + 2;
      }
      end = Math.max(end, leadingEnd(text, at));
    }
    const entity = code === 38 ? this.#web.entityEnd(at) : at;
    if (end > at && end >= entity) return this.#emit(at, end);
    const token = symbolToken(text, at, entity);
    this.#tokens.push(token.text);
    return token.end;
  }
}

function isJoint(code: number): boolean {
  return code === 45 || code === 95 || code === 0x2010 || code === 0x2011 || code === 0x58a;
}

function isSign(code: number): boolean {
  return code === 35 || code === 36 || code === 38 || code === 43;
}

function isAsciiLetter(code: number): boolean {
  return (code >= 65 && code <= 90) || (code >= 97 && code <= 122);
}

function isPlain(code: number): boolean {
  return isAsciiLetter(code) || isDigit(code);
}
