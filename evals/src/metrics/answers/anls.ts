/** Less alike than this counts as wrong. */
const threshold = 0.5;

/**
 * Average normalised Levenshtein similarity of one answer (Biten et al. 2019), 0 to 1: the best over the right answers, 0
 * under a half. Letters' case and runs of spaces do not count; distances are divided by the longer text as it came.
 */
export function anls(prediction: string, answers: readonly string[]): number {
  const squeezed = (text: string): string => text.trim().toLowerCase().split(/\s+/).join(" ");
  const best = answers.reduce((most, answer) => {
    const length = Math.max([...answer].length, [...prediction].length);
    const distance = length === 0 ? 0 : levenshtein(squeezed(answer), squeezed(prediction)) / length;
    return Math.max(most, 1 - distance);
  }, 0);
  return best < threshold ? 0 : best;
}

/** Insertions, deletions and replacements of characters that make one text the other. */
export function levenshtein(a: string, b: string): number {
  const [from, to] = [[...a], [...b]];
  let row = Array.from({ length: to.length + 1 }, (_, j) => j);
  for (const [i, character] of from.entries()) {
    const next = [i + 1];
    for (const [j, other] of to.entries()) {
      next.push(Math.min((row[j] as number) + (character === other ? 0 : 1), (row[j + 1] as number) + 1, (next[j] as number) + 1));
    }
    row = next;
  }
  return row[to.length] as number;
}
