import { charClass, literal } from "./grammar-text.js";

/** Ranges of code points. */
export type Ranges = readonly (readonly [low: number, high: number])[];

/** What may stand in a JSON string as it is: no quote, backslash, control character or half of a surrogate pair. */
export const plainRanges: Ranges = [
  [0x20, 0x21],
  [0x23, 0x5b],
  [0x5d, 0x7e],
  [0x80, 0xd7ff],
  [0xe000, 0x10ffff],
];

/** Rules that others refer to; each names the rules that it needs. */
export const basicRules: Readonly<Record<string, { readonly body: string; readonly needs: readonly string[] }>> = {
  // One space or one line with its indentation: enough for readable JSON, and not for a model that never ends it.
  ws: { body: '| " " | "\\n" [ \\t]{0,20}', needs: [] },
  plain: { body: charClass(plainRanges), needs: [] },
  // An escaped surrogate would be half a character.
  char: { body: 'plain | "\\\\" (["\\\\/bfnrt] | "u" ([0-9a-cA-CefEF] [0-9a-fA-F]{3} | [dD] [0-7] [0-9a-fA-F]{2}))', needs: ["plain"] },
  string: { body: '"\\"" char* "\\""', needs: ["char"] },
  // Digits and exponents that a double still tells apart.
  number: { body: '"-"? ("0" | [1-9] [0-9]{0,14}) ("." [0-9]{1,15})? ([eE] [-+]? [0-9]{1,2})?', needs: [] },
  integer: { body: '"0" | "-"? [1-9] [0-9]{0,14}', needs: [] },
  boolean: { body: '"true" | "false"', needs: [] },
  null: { body: '"null"', needs: [] },
  value: { body: "object | array | string | number | boolean | null", needs: ["object", "array", "string", "number", "boolean", "null"] },
  object: { body: '"{" ws (string ws ":" ws value (ws "," ws string ws ":" ws value)* ws)? "}"', needs: ["ws", "string", "value"] },
  array: { body: '"[" ws (value (ws "," ws value)* ws)? "]"', needs: ["ws", "value"] },
};

const date = '[0-9]{4} "-" ("0" [1-9] | "1" [0-2]) "-" ("0" [1-9] | "1" [0-9] | "2" [0-8])';
const time = '([01] [0-9] | "2" [0-3]) ":" [0-5] [0-9] ":" [0-5] [0-9] ("." [0-9]{3})? ("Z" | [-+] ([01] [0-9] | "2" [0-3]) ":" [0-5] [0-9])';

/** Values of `format` that are kept, without the quotes. Days stop at 28, so that every month has them. */
export const formats: Readonly<Record<string, string>> = {
  date,
  time,
  "date-time": `${date} "T" ${time}`,
  uuid: '[0-9a-fA-F]{8} "-" [0-9a-fA-F]{4} "-" [0-9a-fA-F]{4} "-" [0-9a-fA-F]{4} "-" [0-9a-fA-F]{12}',
};

/** A value as JSON.stringify writes it. */
export function constant(value: unknown): string {
  return literal(JSON.stringify(value));
}

/**
 * GBNF of a JSON string, quotes included, that is none of `names`. It has no escapes, since these spell the same name
 * in other ways.
 */
export function stringExcept(names: readonly string[], define: (hint: string, body: string) => string): string {
  interface Node {
    ends: boolean;
    readonly next: Map<number, Node>;
  }
  const root: Node = { ends: false, next: new Map() };
  for (const name of names) {
    let node = root;
    for (const char of name) {
      const code = char.codePointAt(0) ?? 0;
      let next = node.next.get(code);
      if (next === undefined) node.next.set(code, (next = { ends: false, next: new Map() }));
      node = next;
    }
    node.ends = true;
  }
  /** What may follow a beginning of a name: an end where no name ends, another character, or the name's with its own rest. */
  const rest = (node: Node): string => {
    const others = without(plainRanges, [...node.next.keys()]);
    const alternatives = [`${charClass(others)} plain*`];
    for (const [code, next] of node.next) {
      if (plainRanges.some(([low, high]) => code >= low && code <= high)) alternatives.push(`${charClass([[code, code]])} ${define("key", rest(next))}`);
    }
    return `${node.ends ? "" : '"" | '}${alternatives.join(" | ")}`;
  };
  return `"\\"" ${define("key", rest(root))} "\\""`;
}

/** Ranges without single code points. */
export function without(ranges: Ranges, codes: readonly number[]): Ranges {
  let left: [number, number][] = ranges.map(([low, high]) => [low, high]);
  for (const code of codes) {
    left = left.flatMap(([low, high]): [number, number][] => {
      if (code < low || code > high) return [[low, high]];
      return [...(code > low ? [[low, code - 1] as [number, number]] : []), ...(code < high ? [[code + 1, high] as [number, number]] : [])];
    });
  }
  return left;
}
