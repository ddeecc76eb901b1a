import { eachCommon, maxOrder, type NgramCounts, type Tally } from "./ngrams.js";

/** BLEU-1 to BLEU-4, 0 to 1. */
export type BleuScores = readonly [number, number, number, number];

const [tiny, small] = [1e-15, 1e-9];

interface Matches {
  /** Words of the candidate, and of the reference whose length is nearest to it. */
  candidateLength: number;
  referenceLength: number;
  /** By n: n-grams of the candidate, and those that a reference has too, none more often than it. */
  readonly guesses: number[];
  readonly correct: number[];
}

/**
 * BLEU-1 to 4 of a corpus and of each image in it (Papineni et al. 2002), with the closest reference length, of two equally
 * close ones the shorter, and the two small constants of the COCO evaluation, which keep an n-gram order without a match from
 * making the product zero.
 */
export function bleu(candidates: readonly NgramCounts[], references: readonly (readonly NgramCounts[])[]): { readonly corpus: BleuScores; readonly perImage: readonly BleuScores[] } {
  const sum: Matches = { candidateLength: 0, referenceLength: 0, guesses: [0, 0, 0, 0], correct: [0, 0, 0, 0] };
  const perImage = candidates.map((candidate, i) => {
    const matches = matchesOf(candidate, references[i] ?? []);
    sum.candidateLength += matches.candidateLength;
    sum.referenceLength += matches.referenceLength;
    for (let n = 0; n < maxOrder; n++) {
      sum.guesses[n] = (sum.guesses[n] as number) + (matches.guesses[n] as number);
      sum.correct[n] = (sum.correct[n] as number) + (matches.correct[n] as number);
    }
    return scores(matches);
  });
  return { corpus: scores(sum), perImage };
}

function matchesOf(candidate: NgramCounts, references: readonly NgramCounts[]): Matches {
  const candidateLength = candidate[0]?.total ?? 0;
  const lengths = references.map((reference) => reference[0]?.total ?? 0);
  const referenceLength = lengths.reduce((best, length) => {
    const [distance, bestDistance] = [Math.abs(length - candidateLength), Math.abs(best - candidateLength)];
    return distance < bestDistance || (distance === bestDistance && length < best) ? length : best;
  });
  const guesses: number[] = [];
  const correct: number[] = [];
  for (let n = 0; n < maxOrder; n++) {
    guesses.push(Math.max(0, candidateLength - n));
    const own = candidate[n] as Tally;
    const most = own.counts.map(() => 0);
    for (const reference of references) {
      const other = reference[n] as Tally;
      eachCommon(own, other, (i, j) => (most[i] = Math.max(most[i] as number, other.counts[j] as number)));
    }
    correct.push(own.counts.reduce((sum, count, i) => sum + Math.min(count, most[i] as number), 0));
  }
  return { candidateLength, referenceLength, guesses, correct };
}

function scores({ candidateLength, referenceLength, guesses, correct }: Matches): BleuScores {
  const ratio = (candidateLength + tiny) / (referenceLength + small);
  const brevity = ratio < 1 ? Math.exp(1 - 1 / ratio) : 1;
  let product = 1;
  return guesses.map((guess, n) => {
    product *= ((correct[n] as number) + tiny) / (guess + small);
    return product ** (1 / (n + 1)) * brevity;
  }) as unknown as BleuScores;
}
