import type { DecoderError } from "../decoder-error.js";
import { charClass, literal, repeat } from "./grammar-text.js";
import { plainRanges, type Ranges } from "./json-text.js";

const digits: Ranges = [[0x30, 0x39]];
const word: Ranges = [[0x30, 0x39], [0x41, 0x5a], [0x5f, 0x5f], [0x61, 0x7a]];
/** Of the white space that `\s` means: what may stand in a JSON string as it is. */
const space: Ranges = [[0x20, 0x20], [0xa0, 0xa0]];

const classes: Readonly<Record<string, Ranges>> = { d: digits, w: word, s: space };

const maxNesting = 50;

/**
 * GBNF of the texts, as they stand between the quotes of a JSON string, that a regular expression matches.
 *
 * It must be anchored, `^...$`: one that may match anywhere in a text would say next to nothing. Kept are characters,
 * `.`, classes, `\d \w \s` and their opposites, groups, `|` and repetitions. Line ends, tabs and other characters that
 * JSON must escape are left out where a class has them.
 * @param problem makes the error for anything else
 */
export function patternGrammar(pattern: unknown, problem: (message: string) => DecoderError): string {
  if (typeof pattern !== "string") throw problem(`expected a string, got ${typeof pattern}`);
  if (!pattern.startsWith("^") || !pattern.endsWith("$") || /(^|[^\\])(\\\\)*\\\$$/.test(pattern)) {
    throw problem(`expected an anchored pattern, "^...$", got ${JSON.stringify(pattern)}`);
  }
  return new PatternReader(pattern.slice(1, -1), problem).read();
}

class PatternReader {
  readonly #chars: readonly string[];
  readonly #problem: (message: string) => DecoderError;
  #at = 0;
  #nesting = 0;

  constructor(pattern: string, problem: (message: string) => DecoderError) {
    this.#chars = [...pattern];
    this.#problem = problem;
  }

  read(): string {
    const body = this.#alternatives();
    if (this.#at < this.#chars.length) throw this.#unexpected();
    return `(${body})`;
  }

  #alternatives(): string {
    const all = [this.#sequence()];
    while (this.#take("|")) all.push(this.#sequence());
    return all.join(" | ");
  }

  #sequence(): string {
    const parts: string[] = [];
    for (let char = this.#chars[this.#at]; char !== undefined && char !== "|" && char !== ")"; char = this.#chars[this.#at]) {
      parts.push(this.#repeats(this.#atom(char)));
    }
    return parts.length === 0 ? '""' : parts.join(" ");
  }

  #atom(char: string): string {
    this.#at++;
    switch (char) {
      case "(":
        return this.#group();
      case "[":
        return this.#charClass();
      case ".":
        return charClass(plainRanges);
      case "\\":
        return this.#escape();
      case "*":
      case "+":
      case "?":
      case "{":
      case "^":
      case "$":
        this.#at--;
        throw this.#unexpected();
      default:
        return jsonChar(char.codePointAt(0) ?? 0);
    }
  }

  #group(): string {
    if (this.#take("?") && !this.#take(":")) throw this.#problem('groups that begin with "(?" are not supported, but (?:...)');
    if (++this.#nesting > maxNesting) throw this.#problem(`expected at most ${maxNesting} groups inside one another`);
    const body = this.#alternatives();
    if (!this.#take(")")) throw this.#problem('expected ")"');
    this.#nesting--;
    return `(${body})`;
  }

  #escape(): string {
    const char = this.#chars[this.#at++];
    if (char === undefined) throw this.#problem("expected a character after the backslash");
    const named = classes[char];
    if (named !== undefined) return charClass(named);
    const opposite = classes[char.toLowerCase()];
    if (opposite !== undefined) return charClass(subtract(plainRanges, opposite));
    return jsonChar(this.#escapedCode(char));
  }

  /** The code point of an escape other than a class. */
  #escapedCode(char: string): number {
    const control = { n: 10, r: 13, t: 9, f: 12 }[char];
    if (control !== undefined) return control;
    if (char === "u" || char === "x") {
      const length = char === "u" ? 4 : 2;
      const hex = this.#chars.slice(this.#at, this.#at + length).join("");
      if (!new RegExp(`^[0-9a-fA-F]{${length}}$`).test(hex)) throw this.#problem(`expected ${length} hexadecimal digits after \\${char}`);
      this.#at += length;
      return Number.parseInt(hex, 16);
    }
    if (/[a-zA-Z0-9]/.test(char)) throw this.#problem(`the escape \\${char} is not supported`);
    return char.codePointAt(0) ?? 0;
  }

  #charClass(): string {
    const negated = this.#take("^");
    const ranges: (readonly [number, number])[] = [];
    while (!this.#take("]")) {
      const low = this.#classMember();
      if (typeof low !== "number") {
        ranges.push(...low);
        continue;
      }
      if (this.#chars[this.#at] !== "-" || this.#chars[this.#at + 1] === "]") {
        ranges.push([low, low]);
        continue;
      }
      this.#at++;
      const high = this.#classMember();
      if (typeof high !== "number" || high < low) throw this.#problem("expected a range from a lower to a higher character");
      ranges.push([low, high]);
    }
    if (negated) return charClass(notEmpty(subtract(plainRanges, ranges), this.#problem));
    const plain = intersect(ranges, plainRanges);
    const escaped = [0x22, 0x5c].filter((code) => ranges.some(([low, high]) => code >= low && code <= high)).map(jsonChar);
    if (escaped.length === 0) return charClass(notEmpty(plain, this.#problem));
    return `(${[...(plain.length === 0 ? [] : [charClass(plain)]), ...escaped].join(" | ")})`;
  }

  #classMember(): number | Ranges {
    const char = this.#chars[this.#at++];
    if (char === undefined) throw this.#problem('expected "]"');
    if (char !== "\\") return char.codePointAt(0) ?? 0;
    const escaped = this.#chars[this.#at++];
    if (escaped === undefined) throw this.#problem("expected a character after the backslash");
    const named = classes[escaped];
    if (named !== undefined) return named;
    if (classes[escaped.toLowerCase()] !== undefined) return subtract(plainRanges, classes[escaped.toLowerCase()] ?? []);
    return this.#escapedCode(escaped);
  }

  #repeats(atom: string): string {
    let min = 1;
    let max = 1;
    if (this.#take("*")) [min, max] = [0, Number.POSITIVE_INFINITY];
    else if (this.#take("+")) [min, max] = [1, Number.POSITIVE_INFINITY];
    else if (this.#take("?")) [min, max] = [0, 1];
    else if (this.#chars[this.#at] === "{") {
      const match = /^\{(\d{1,4})(,(\d{0,4}))?\}/.exec(this.#chars.slice(this.#at, this.#at + 12).join(""));
      if (match === null) throw this.#problem('expected {n}, {n,} or {n,m}, numbers below 1000, after "{"');
      this.#at += match[0].length;
      min = Number(match[1]);
      max = match[2] === undefined ? min : match[3] === "" ? Number.POSITIVE_INFINITY : Number(match[3]);
      if (max < min || min > 999 || (max > 999 && max !== Number.POSITIVE_INFINITY)) throw this.#problem(`expected {n,m} with n up to m, both below 1000, got ${match[0]}`);
    } else return atom;
    // Lazy or not, the same texts match.
    this.#take("?");
    return `(${repeat(atom, min, max, (_hint, body) => `(${body})`)})`;
  }

  #unexpected(): DecoderError {
    return this.#problem(`${JSON.stringify(this.#chars[this.#at])} at character ${this.#at + 2} is not supported`);
  }

  #take(char: string): boolean {
    if (this.#chars[this.#at] !== char) return false;
    this.#at++;
    return true;
  }
}

/** One character as it stands in a JSON string. */
function jsonChar(code: number): string {
  return literal(JSON.stringify(String.fromCodePoint(code)).slice(1, -1));
}

function notEmpty(ranges: Ranges, problem: (message: string) => DecoderError): Ranges {
  if (ranges.length === 0) throw problem("expected a class with characters that may stand in a JSON string");
  return ranges;
}

function intersect(a: Ranges, b: Ranges): Ranges {
  return a.flatMap(([low, high]) => b.map(([from, to]): [number, number] => [Math.max(low, from), Math.min(high, to)]).filter(([from, to]) => from <= to));
}

function subtract(from: Ranges, removed: Ranges): Ranges {
  let left: Ranges = from;
  for (const [low, high] of removed) {
    left = left.flatMap(([start, end]): [number, number][] =>
      high < start || low > end ? [[start, end]] : [...(low > start ? [[start, low - 1] as [number, number]] : []), ...(high < end ? [[high + 1, end] as [number, number]] : [])],
    );
  }
  return left;
}
