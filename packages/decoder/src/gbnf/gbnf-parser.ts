/** A part of a rule. */
export type GbnfNode =
  /** One character: of a class, or `.`. */
  | { readonly type: "symbol" }
  | { readonly type: "rule"; readonly name: string; readonly at: number }
  | { readonly type: "group"; readonly alternatives: readonly GbnfSequence[] }
  | { readonly type: "repeat"; readonly node: GbnfNode; readonly min: number; readonly max: number; readonly at: number }
  | { readonly type: "literal"; readonly length: number };

/** Parts that follow one another. */
export type GbnfSequence = readonly GbnfNode[];

/** A rule's name and what it may be. */
export interface GbnfRule {
  readonly name: string;
  readonly at: number;
  readonly alternatives: readonly GbnfSequence[];
}

/** A problem in a grammar, and the offset where it was met. */
export class GbnfProblem extends Error {
  readonly at: number;

  constructor(message: string, at: number) {
    super(message);
    this.at = at;
  }
}

/** llama.cpp repeats an item at most this often. */
export const maxRepetitions = 2000;

/** Parentheses inside one another; llama.cpp's parser calls itself for each. */
const maxNesting = 200;

const hexDigits: Readonly<Record<string, number>> = { x: 2, u: 4, U: 8 };

/** Reads a GBNF grammar as llama.cpp's parser does. Throws GbnfProblem. */
export class GbnfParser {
  readonly #source: string;
  #at = 0;
  #nesting = 0;

  constructor(source: string) {
    this.#source = source;
  }

  rules(): GbnfRule[] {
    const rules: GbnfRule[] = [];
    this.#space(true);
    while (this.#at < this.#source.length) {
      const at = this.#at;
      const name = this.#name();
      if (name === "") throw this.#problem("expected the name of a rule");
      this.#space(false);
      if (!this.#take("::=")) throw this.#problem(`expected "::=" after "${name}"`);
      this.#space(true);
      rules.push({ name, at, alternatives: this.#alternatives(false) });
      if (this.#at < this.#source.length && !this.#take("\r\n") && !this.#take("\n") && !this.#take("\r")) throw this.#problem("expected the end of the rule");
      this.#space(true);
    }
    return rules;
  }

  #alternatives(nested: boolean): GbnfSequence[] {
    const all = [this.#sequence(nested)];
    while (this.#take("|")) {
      this.#space(true);
      all.push(this.#sequence(nested));
    }
    return all;
  }

  #sequence(nested: boolean): GbnfSequence {
    const nodes: GbnfNode[] = [];
    for (;;) {
      const node = this.#item();
      if (node === undefined) {
        if (/^[*+?{]/.test(this.#source.slice(this.#at, this.#at + 1))) throw this.#problem("expected something to repeat before this");
        return nodes;
      }
      this.#space(nested);
      nodes.push(this.#repeats(node, nested));
    }
  }

  #item(): GbnfNode | undefined {
    const char = this.#source[this.#at];
    if (char === '"') return this.#literal();
    if (char === "[") return this.#charClass();
    // llama.cpp forgets about a token element inside another token's characters: it offers that token, and ends the process when it is taken.
    if (char === "<" || char === "!") throw this.#problem("tokens by name or id, <...>, are not supported; write their text");
    if (this.#take(".")) return { type: "symbol" };
    if (char === "(") return this.#group();
    const at = this.#at;
    const name = this.#name();
    return name === "" ? undefined : { type: "rule", name, at };
  }

  #group(): GbnfNode {
    this.#at++;
    if (++this.#nesting > maxNesting) throw this.#problem(`expected at most ${maxNesting} parentheses inside one another`);
    this.#space(true);
    const alternatives = this.#alternatives(true);
    if (!this.#take(")")) throw this.#problem('expected ")"');
    this.#nesting--;
    return { type: "group", alternatives };
  }

  #literal(): GbnfNode {
    this.#at++;
    let length = 0;
    while (!this.#take('"')) {
      this.#char('the closing quote of a "literal"');
      length++;
    }
    if (length === 0 && /^[ \t]*[*+?{]/.test(this.#source.slice(this.#at))) throw this.#problem("expected something to repeat, got an empty literal");
    return { type: "literal", length };
  }

  #charClass(): GbnfNode {
    this.#at++;
    this.#take("^");
    if (this.#source[this.#at] === "]") throw this.#problem("expected a character in [...]");
    while (!this.#take("]")) {
      const low = this.#char('the "]" of a character class');
      if (this.#source[this.#at] !== "-" || this.#source[this.#at + 1] === "]") continue;
      this.#at++;
      const high = this.#char('the "]" of a character class');
      if (high < low) throw this.#problem("expected a range from a lower to a higher character");
    }
    return { type: "symbol" };
  }

  #repeats(first: GbnfNode, nested: boolean): GbnfNode {
    let node = first;
    for (;;) {
      const at = this.#at;
      if (this.#take("*")) node = { type: "repeat", node, min: 0, max: Number.POSITIVE_INFINITY, at };
      else if (this.#take("+")) node = { type: "repeat", node, min: 1, max: Number.POSITIVE_INFINITY, at };
      else if (this.#take("?")) node = { type: "repeat", node, min: 0, max: 1, at };
      else if (this.#take("{")) node = { type: "repeat", node, ...this.#bounds(nested), at };
      else return node;
      this.#space(nested);
    }
  }

  #bounds(nested: boolean): { min: number; max: number } {
    const integer = (): number | undefined => {
      this.#space(nested);
      const digits = /^\d*/.exec(this.#source.slice(this.#at, this.#at + 20))?.[0] ?? "";
      this.#at += digits.length;
      this.#space(nested);
      return digits === "" ? undefined : Number(digits);
    };
    const min = integer();
    if (min === undefined) throw this.#problem('expected a number after "{"');
    const max = this.#take(",") ? (integer() ?? Number.POSITIVE_INFINITY) : min;
    if (!this.#take("}")) throw this.#problem('expected "}"');
    if (max < min) throw this.#problem(`expected {min,max} with min up to max, got {${min},${max}}`);
    if (min >= maxRepetitions || (max >= maxRepetitions && max !== Number.POSITIVE_INFINITY)) {
      throw this.#problem(`expected fewer than ${maxRepetitions} repetitions, got {${min},${max}}`);
    }
    return { min, max };
  }

  /** One character's code point, escaped or not. */
  #char(endsWith: string): number {
    const code = this.#source.codePointAt(this.#at);
    if (code === undefined) throw this.#problem(`expected ${endsWith}`);
    if (code !== 0x5c) {
      this.#at += code > 0xffff ? 2 : 1;
      return code;
    }
    const kind = this.#source[this.#at + 1] ?? "";
    const digits = hexDigits[kind];
    if (digits === undefined) {
      if (!'trn\\"[]-'.includes(kind) || kind === "") throw this.#problem(`expected one of the escapes \\x \\u \\U \\t \\r \\n \\\\ \\" \\[ \\] \\-, got \\${kind}`);
      this.#at += 2;
      return { t: 9, r: 13, n: 10 }[kind] ?? kind.charCodeAt(0);
    }
    const hex = this.#source.slice(this.#at + 2, this.#at + 2 + digits);
    if (hex.length !== digits || !/^[0-9a-fA-F]+$/.test(hex)) throw this.#problem(`expected ${digits} hexadecimal digits after \\${kind}`);
    this.#at += 2 + digits;
    return Number.parseInt(hex, 16);
  }

  #name(): string {
    const start = this.#at;
    while (/[a-zA-Z0-9-]/.test(this.#source[this.#at] ?? "")) this.#at++;
    return this.#source.slice(start, this.#at);
  }

  #space(overLines: boolean): void {
    for (;;) {
      const char = this.#source[this.#at];
      if (char === "#") while (this.#at < this.#source.length && !/[\r\n]/.test(this.#source[this.#at] ?? "")) this.#at++;
      else if (char === " " || char === "\t" || (overLines && (char === "\r" || char === "\n"))) this.#at++;
      else return;
    }
  }

  #take(text: string): boolean {
    if (!this.#source.startsWith(text, this.#at)) return false;
    this.#at += text.length;
    return true;
  }

  #problem(message: string): GbnfProblem {
    return new GbnfProblem(message, this.#at);
  }
}
