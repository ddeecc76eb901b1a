import { isDigit } from "./ascii.js";
import { matchEnd } from "./match-end.js";

/** Figures as tokens: what starts at `at` and is one token though it holds spaces, dots, slashes or hyphens. Sticky, so that each looks only forwards. */

const space = "[ \\u00a0]";
const fraction = new RegExp(`(?:[0-9]{1,4}[- \\u00a0])?[0-9]{1,4}(?:\\\\?/|\\u2044)[0-9]{1,4}`, "y");
const date = /[0-9]{1,2}[-/][0-9]{1,2}[-/][0-9]{2,4}/y;
const phone = new RegExp(`(?:\\([0-9]{2,3}\\)${space}?|\\+{0,2}(?:[0-9]{2,4}[- \\u00a0])?[0-9]{2,4}[- \\u00a0])[0-9]{3,4}[- \\u00a0]?[0-9]{3,5}`, "y");
const dottedPhone = /\+{0,2}(?:[0-9]{2,4}\.)?[0-9]{2,4}\.[0-9]{3,4}\.[0-9]{3,5}/y;
const fileName = /[A-Za-z0-9]{1,64}(?:\.[A-Za-z0-9]{1,64}){0,8}\.(?:bat|bmp|c|cgi|class|cpp|dll|docx?|exe|gif|gz|h|html?|jar|java|jpe?g|mov|mp3|pdf|php|pl|png|ppt|ps|py|sql|tar|txt|wav|x|xml|zip)(?=[ \t\u00a0.?!,]|$)/iy;

/** Where the longest of the spaced or slashed numbers at `at` ends, or `at`. */
export function longNumberEnd(text: string, at: number): number {
  return Math.max(matchEnd(fraction, text, at), matchEnd(date, text, at), matchEnd(phone, text, at), matchEnd(dottedPhone, text, at));
}

/** Where a plain number with its sign ends: 5, -5, +.5, 1,000.5, 10:30, :30; `at` when there is none. */
export function plainNumberEnd(text: string, at: number): number {
  let i = at;
  const sign = text.charCodeAt(i);
  if (sign === 43 || sign === 45) i++;
  let end = digitsEnd(text, i);
  if (end === i) {
    // [.,:] and figures, without a figure before them.
    end = separatedDigitsEnd(text, i);
    if (end === i) return at;
  }
  for (;;) {
    const next = separatedDigitsEnd(text, end);
    if (next === end) return end;
    end = next;
  }
}

/** Where a file's name such as 5.jpg ends, or `at`. */
export function fileNameEnd(text: string, at: number): number {
  return matchEnd(fileName, text, at);
}

function separatedDigitsEnd(text: string, at: number): number {
  const c = text.charCodeAt(at);
  if (c !== 46 && c !== 44 && c !== 58) return at;
  const end = digitsEnd(text, at + 1);
  return end === at + 1 ? at : end;
}

function digitsEnd(text: string, at: number): number {
  let i = at;
  while (isDigit(text.charCodeAt(i))) i++;
  return i;
}
