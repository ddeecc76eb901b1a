const western = /[<>]?[:;=][-o*']?[()DPdpO@|{[\]\\](?![A-Za-z0-9])/y;
const eastern = /\((?!---)['\-<=>^x~][-_.]?['\-<=>^x~]\)|['\-<=>^x~]_['\-<=>^x~]/y;

/** Where a face that starts at `at` ends, as in :-) or (^_^); `at` when there is none. */
export function emoticonEnd(text: string, at: number): number {
  western.lastIndex = at;
  if (western.test(text)) return western.lastIndex;
  eastern.lastIndex = at;
  return eastern.test(text) ? eastern.lastIndex : at;
}
