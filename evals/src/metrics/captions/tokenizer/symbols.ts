import { characterKind, characterKinds } from "./character-kinds.js";
import { matchEnd } from "./match-end.js";

/** What stands for characters that the reference writes in another way. */
const written: ReadonlyMap<string, string> = new Map(
  Object.entries({
    "(": "-lrb-",
    ")": "-rrb-",
    "[": "-lsb-",
    "]": "-rsb-",
    "{": "-lcb-",
    "}": "-rcb-",
    "\u2026": "...",
    "\u0096": "--",
    "\u0097": "--",
    "\u2013": "--",
    "\u2014": "--",
    "\u2015": "--",
    "\u0080": "$",
    "\u00a4": "$",
    "\u20a0": "$",
    "\u20ac": "$",
    "\u00a2": "cents",
    "\u00a3": "#",
    "\u00bc": "1/4",
    "\u00bd": "1/2",
    "\u00be": "3/4",
    "\u2153": "1/3",
    "\u2154": "2/3",
    "&amp;": "&",
    "&lt;": "<",
    "&gt;": ">",
    "&apos;": "'",
    "&mdash;": "--",
    "&ndash;": "--",
    "&quot;": "''",
  }),
);

const quotes: ReadonlyMap<string, string> = new Map(
  Object.entries({
    "`": "`",
    "\u0091": "`",
    "\u2018": "`",
    "\u201b": "`",
    "\u2039": "`",
    "\u0092": "'",
    "\u2019": "'",
    "\u203a": "'",
    "\u0093": "``",
    "\u201c": "``",
    "\u00ab": "``",
    "\u0094": "''",
    "\u201d": "''",
    "\u00bb": "''",
  }),
);

const ellipsis = /\.{3,5}|\.[ \u00a0]\.[ \u00a0]\./y;
const repeated = /[!?]{2,}|#+|@+|\*+|\\\*|_+|-{2,}|<<|>>|''|``/y;

/** The token of the symbol at `at`, and where it ends. `entityEnd` is where a character entity there ends, or `at`. */
export function symbolToken(text: string, at: number, entityEnd: number): { readonly text: string; readonly end: number } {
  const one = text[at] as string;
  if (entityEnd > at) {
    const entity = text.slice(at, entityEnd).toLowerCase();
    return { text: written.get(entity) ?? entity, end: entityEnd };
  }
  // Two such quotes make one token.
  const quote = quotes.get(one);
  if (quote !== undefined) {
    const second = quotes.get(text[at + 1] ?? "");
    return second === undefined ? { text: quote, end: at + 1 } : { text: quote + second, end: at + 2 };
  }
  if (one === '"') return { text: "''", end: at + 1 };
  const dots = matchEnd(ellipsis, text, at);
  if (dots > at) return { text: "...", end: dots };
  const end = Math.max(one === "#" ? hashtagEnd(text, at) : at, matchEnd(repeated, text, at));
  if (end <= at + 1) return { text: written.get(one) ?? one, end: at + 1 };
  const token = text.slice(at, end);
  // Two to four hyphens are a dash, more are a line.
  return { text: /^-{2,4}$/.test(token) ? "--" : token.toLowerCase(), end };
}

/** #dog: letters, no figures. */
function hashtagEnd(text: string, at: number): number {
  let end = at + 1;
  for (; end < text.length; end++) {
    const code = text.charCodeAt(end);
    const kind = characterKinds[code];
    if (kind !== characterKind.letter && kind !== characterKind.mark && code !== 0xad) break;
  }
  return end === at + 1 ? at : end;
}
