/** A word of the candidate beside one of the reference. */
export interface Match {
  readonly candidate: number;
  readonly reference: number;
  /** What the match is worth: 1 for the same word. */
  readonly weight: number;
}

/** How many beginnings of an alignment are kept at each word. */
const beamWidth = 40;

interface Beginning {
  readonly matches: readonly Match[];
  readonly used: ReadonlySet<number>;
  readonly chunks: number;
  readonly distance: number;
}

/**
 * The alignment with the most matched words, of those the one in the fewest runs that both texts share, then the one whose
 * words stand nearest (Denkowski & Lavie 2014, by beam search). Every word is matched at most once.
 * @param weights what a match of two words is worth; 0 where they do not match
 */
export function alignWords(candidate: readonly string[], reference: readonly string[], weights: (candidate: string, reference: string) => number): readonly Match[] {
  let beam: readonly Beginning[] = [{ matches: [], used: new Set(), chunks: 0, distance: 0 }];
  for (const [i, word] of candidate.entries()) {
    const possible = reference.flatMap((other, j): Match[] => {
      const weight = weights(word, other);
      return weight > 0 ? [{ candidate: i, reference: j, weight }] : [];
    });
    if (possible.length === 0) continue;
    const longer = beam.flatMap((beginning) => [
      beginning,
      ...possible.flatMap((match): Beginning[] => {
        if (beginning.used.has(match.reference)) return [];
        const last = beginning.matches.at(-1);
        const goesOn = last !== undefined && last.candidate === i - 1 && last.reference === match.reference - 1;
        return [
          {
            matches: [...beginning.matches, match],
            used: new Set(beginning.used).add(match.reference),
            chunks: beginning.chunks + (goesOn ? 0 : 1),
            distance: beginning.distance + Math.abs(i - match.reference),
          },
        ];
      }),
    ]);
    beam = longer.sort((a, b) => b.matches.length - a.matches.length || a.chunks - b.chunks || a.distance - b.distance).slice(0, beamWidth);
  }
  return beam[0]?.matches ?? [];
}

/** Runs of words that stand behind each other in both texts. */
export function chunksOf(matches: readonly Match[]): number {
  return matches.filter((match, i) => {
    const before = matches[i - 1];
    return before === undefined || before.candidate !== match.candidate - 1 || before.reference !== match.reference - 1;
  }).length;
}
