import { matchEnd } from "./match-end.js";

const western = /[<>]?[:;=][-o*']?[()DPdpO@|{[\]\\](?![A-Za-z0-9])/y;
const eastern = /\((?!---)['\-<=>^x~][-_.]?['\-<=>^x~]\)|['\-<=>^x~]_['\-<=>^x~]/y;

/** Where a face that starts at `at` ends, as in :-) or (^_^); `at` when there is none. */
export function emoticonEnd(text: string, at: number): number {
  const end = matchEnd(western, text, at);
  return end > at ? end : matchEnd(eastern, text, at);
}
