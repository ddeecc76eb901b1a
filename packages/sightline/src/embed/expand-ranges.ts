const range = /\{(\d+)\.\.(\d+)\}/;
const mostNames = 1_000_000;

/**
 * Expands every `{000..010}` of a pattern, as WebDataset writes runs of shards and as shells do: upwards or downwards,
 * padded with zeros where an end is. Other braces stay.
 * @throws RangeError for more than a million names
 */
export function expandRanges(pattern: string): string[] {
  const match = range.exec(pattern);
  if (!match) return [pattern];
  const [whole, from = "", to = ""] = match;
  const [start, end] = [Number(from), Number(to)];
  const padded = from.startsWith("0") || to.startsWith("0") ? Math.max(from.length, to.length) : 0;
  const before = pattern.slice(0, match.index);
  const rests = expandRanges(pattern.slice(match.index + whole.length));
  const count = Math.abs(end - start) + 1;
  if (count * rests.length > mostNames) throw new RangeError(`expandRanges: ${pattern}: expected at most ${mostNames} names, got ${count * rests.length}; give a folder or a list`);
  return Array.from({ length: count }, (_, i) => String(start + Math.sign(end - start) * i).padStart(padded, "0")).flatMap((number) =>
    rests.map((rest) => `${before}${number}${rest}`),
  );
}
