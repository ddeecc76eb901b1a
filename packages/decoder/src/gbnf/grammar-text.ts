/** Pieces of GBNF text. */

/** A GBNF literal that matches exactly this text. */
export function literal(text: string): string {
  return `"${[...text].map((char) => escapeChar(char.codePointAt(0) ?? 0, '"\\')).join("")}"`;
}

/** A GBNF character class of code points and ranges of them. */
export function charClass(ranges: readonly (readonly [low: number, high: number])[]): string {
  return `[${ranges.map(([low, high]) => escapeChar(low, "\\]^-[") + (high === low ? "" : `-${escapeChar(high, "\\]^-[")}`)).join("")}]`;
}

function escapeChar(code: number, special: string): string {
  const char = String.fromCodePoint(code);
  if (code >= 0x20 && code < 0x7f) return special.includes(char) ? (char === "^" ? "\\x5E" : `\\${char}`) : char;
  const hex = code.toString(16).toUpperCase();
  if (code <= 0xff) return `\\x${hex.padStart(2, "0")}`;
  return code <= 0xffff ? `\\u${hex.padStart(4, "0")}` : `\\U${hex.padStart(8, "0")}`;
}

/** llama.cpp limits an item's repetitions; more are written as chunks of this many. */
const chunk = 500;

/**
 * `rule` from `min` to `max` times; `max` may be Infinity. `define` names a new rule.
 * Up to a million times; the caller checks.
 */
export function repeat(rule: string, min: number, max: number, define: (hint: string, body: string) => string): string {
  const exactly = (count: number): string[] => {
    if (count === 0) return [];
    if (count < 2 * chunk) return [count === 1 ? rule : `${rule}{${count}}`];
    const full = define("chunk", `${rule}{${chunk}}`);
    const rest = count % chunk;
    return [`${full}{${Math.floor(count / chunk)}}`, ...(rest === 0 ? [] : [`${rule}{${rest}}`])];
  };
  const upTo = (count: number): string[] => {
    if (count === 0) return [];
    if (count === Number.POSITIVE_INFINITY) return [`${rule}*`];
    if (count < 2 * chunk) return [count === 1 ? `${rule}?` : `${rule}{0,${count}}`];
    // Fewer chunks than fit with anything up to a chunk after them, or all of them with the rest.
    const full = define("chunk", `${rule}{${chunk}}`);
    const chunks = Math.floor(count / chunk);
    const rest = count % chunk;
    const all = rest === 0 ? `${full}{${chunks}}` : `${full}{${chunks}} ${rule}{0,${rest}}`;
    return [define("upto", `${full}{0,${chunks - 1}} ${rule}{0,${chunk - 1}} | ${all}`)];
  };
  const parts = [...exactly(min), ...upTo(max - min)];
  return parts.length === 0 ? '""' : parts.join(" ");
}
