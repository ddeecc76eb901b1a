/**
 * Cuts a text inside runs of more than `limit` characters without a border between space and non-space.
 *
 * llama.cpp splits text for many byte-pair tokenizers with std::regex, which recurses once for every character of a match:
 * some ten thousand letters without a space overflow its stack and end the process. No real word is that long, so nobody
 * misses the merges across a cut. Surrogate pairs stay whole; the pieces joined are the text.
 */
export function cutLongRuns(text: string, limit = 2048): string[] {
  if (text.length <= limit) return [text];
  const pieces: string[] = [];
  let start = 0;
  for (const run of text.matchAll(new RegExp(`\\S{${limit + 1},}|\\s{${limit + 1},}`, "g"))) {
    const end = run.index + run[0].length;
    let cut = run.index + limit;
    while (cut < end) {
      const inPair = isHighSurrogate(text.charCodeAt(cut - 1)) && isLowSurrogate(text.charCodeAt(cut));
      if (inPair) cut--;
      pieces.push(text.slice(start, cut));
      start = cut;
      cut += limit;
    }
  }
  pieces.push(text.slice(start));
  return pieces;
}

function isHighSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff;
}

function isLowSurrogate(unit: number): boolean {
  return unit >= 0xdc00 && unit <= 0xdfff;
}
