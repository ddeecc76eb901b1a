import { quoted } from "./quoted.js";
import { WeightsError } from "./weights-error.js";

const quote = 0x22;
const backslash = 0x5c;
const maxSkippedDepth = 16;

/**
 * Reads JSON of a known form straight from bytes. `JSON.parse` would build whatever a damaged header describes before
 * anything could be refused, and it drops all but the last of equal keys without a word.
 */
export class JsonReader {
  readonly #bytes: Uint8Array;
  readonly #file: string;
  readonly #decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  #at = 0;

  /** @param file named in errors */
  constructor(bytes: Uint8Array, file: string) {
    this.#bytes = bytes;
    this.#file = file;
  }

  /** Reads an object of at most `limit` members; `each` must read the member's value. Equal keys are refused. */
  members(what: string, limit: number, each: (key: string) => void): void {
    this.#expect("{", what);
    if (this.#accept("}")) return;
    const keys = new Set<string>();
    do {
      const key = this.string(`a key of ${what}`);
      if (keys.has(key)) throw this.error(`${quoted(key)} comes twice in ${what}`);
      if (keys.size >= limit) throw this.error(`${what} has more than ${limit} members`);
      keys.add(key);
      this.#expect(":", `${quoted(key)} in ${what}`);
      each(key);
    } while (this.#accept(","));
    this.#expect("}", what);
  }

  /** Reads an array of at most `limit` whole numbers from 0 to 2^53 - 1. */
  counts(what: string, limit: number): number[] {
    this.#expect("[", what);
    const values: number[] = [];
    if (this.#accept("]")) return values;
    do {
      if (values.length >= limit) throw this.error(`${what} has more than ${limit} numbers`);
      values.push(this.#count(what));
    } while (this.#accept(","));
    this.#expect("]", what);
    return values;
  }

  string(what: string): string {
    this.#expect('"', what);
    const start = this.#at;
    let plain = true;
    for (; ; this.#at++) {
      const byte = this.#bytes[this.#at];
      if (byte === undefined) throw this.#ended(what);
      if (byte === quote) break;
      if (byte === backslash) this.#at++;
      if (byte === backslash || byte < 0x20) plain = false;
    }
    const inner = this.#bytes.subarray(start, this.#at++);
    try {
      const text = this.#decoder.decode(inner);
      return plain ? text : (JSON.parse(`"${text}"`) as string);
    } catch (cause) {
      throw this.error(`${what} is not a JSON string in UTF-8`, cause);
    }
  }

  /** Passes over a value that nobody asks for. */
  skip(what: string, depth = 0): void {
    if (depth > maxSkippedDepth) throw this.error(`${what} is nested deeper than ${maxSkippedDepth}`);
    switch (this.#peek()) {
      case quote:
        this.string(what);
        return;
      case 0x7b:
        this.#expect("{", what);
        if (this.#accept("}")) return;
        do {
          this.string(what);
          this.#expect(":", what);
          this.skip(what, depth + 1);
        } while (this.#accept(","));
        return this.#expect("}", what);
      case 0x5b:
        this.#expect("[", what);
        if (this.#accept("]")) return;
        do this.skip(what, depth + 1);
        while (this.#accept(","));
        return this.#expect("]", what);
      default:
        this.#literal(what);
    }
  }

  /** Nothing but spaces may follow. */
  end(what: string): void {
    if (this.#peek() !== undefined) throw this.#unexpected("its end", what);
  }

  error(problem: string, cause?: unknown): WeightsError {
    return new WeightsError(`${this.#file}: ${problem}`, cause === undefined ? {} : { cause });
  }

  #count(what: string): number {
    const text = this.#word();
    const value = Number(text);
    if (!/^(0|[1-9]\d{0,15})$/.test(text) || !Number.isSafeInteger(value)) {
      throw this.error(`expected a whole number from 0 to 2^53 - 1 in ${what}, got ${quoted(text)} at byte ${this.#at}`);
    }
    return value;
  }

  #literal(what: string): void {
    const text = this.#word();
    if (!/^(true|false|null|-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?)$/.test(text)) {
      throw this.error(`expected JSON in ${what}, got ${quoted(text)} at byte ${this.#at}`);
    }
  }

  /** Letters, digits and signs up to the next delimiter; a longer run than any number needs is cut, and then no number. */
  #word(): string {
    this.#peek();
    const start = this.#at;
    let end = start;
    while (end - start < 64 && isWordByte(this.#bytes[end] ?? 0)) end++;
    this.#at = end;
    return String.fromCharCode(...this.#bytes.subarray(start, end));
  }

  #expect(character: string, what: string): void {
    if (!this.#accept(character)) throw this.#unexpected(quoted(character), what);
  }

  #accept(character: string): boolean {
    if (this.#peek() !== character.charCodeAt(0)) return false;
    this.#at++;
    return true;
  }

  /** The next byte that is no space. */
  #peek(): number | undefined {
    for (; ; this.#at++) {
      const byte = this.#bytes[this.#at];
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return byte;
    }
  }

  #unexpected(expected: string, what: string): WeightsError {
    const byte = this.#peek();
    if (byte === undefined) return this.#ended(what);
    return this.error(`is not the JSON expected: expected ${expected} in ${what}, got ${quoted(String.fromCharCode(byte))} at byte ${this.#at}`);
  }

  #ended(what: string): WeightsError {
    return this.error(`its JSON ends inside ${what}, after ${this.#bytes.length} bytes`);
  }
}

function isWordByte(byte: number): boolean {
  const isDigit = byte >= 0x30 && byte <= 0x39;
  const isLetter = (byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x7a;
  return isDigit || isLetter || byte === 0x2b || byte === 0x2d || byte === 0x2e;
}
