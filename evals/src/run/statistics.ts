/** Numbers that a seed determines: mulberry32, 0 to 1. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A mean and its confidence interval. */
export interface Interval {
  readonly mean: number;
  readonly low: number;
  readonly high: number;
}

/**
 * The mean and its 95% interval by the bootstrap (Efron 1979, percentiles): samples are drawn anew, with repeats.
 * @throws RangeError without values
 */
export function bootstrapInterval(values: readonly number[], random: () => number, resamples = 2000): Interval {
  if (values.length === 0) throw new RangeError("bootstrapInterval: expected at least one value, got none");
  const n = values.length;
  const means = Float64Array.from({ length: resamples }, () => {
    let sum = 0;
    for (let i = 0; i < n; i++) sum += values[Math.floor(random() * n)] as number;
    return sum / n;
  }).sort();
  const at = (share: number): number => means[Math.min(resamples - 1, Math.floor(share * resamples))] as number;
  return { mean: values.reduce((sum, value) => sum + value, 0) / n, low: at(0.025), high: at(0.975) };
}

/**
 * How often a difference at least as large as the one seen comes up when each sample's two scores change places at random
 * (a paired permutation test, two-sided); 1 where all are equal.
 */
export function pairedPermutationTest(differences: readonly number[], random: () => number, rounds = 5000): number {
  const different = differences.filter((difference) => difference !== 0);
  if (different.length === 0) return 1;
  const seen = Math.abs(different.reduce((sum, difference) => sum + difference, 0)) - 1e-12;
  let asLarge = 0;
  for (let round = 0; round < rounds; round++) {
    let sum = 0;
    for (const difference of different) sum += random() < 0.5 ? difference : -difference;
    if (Math.abs(sum) >= seen) asLarge++;
  }
  // The difference itself is one of the ways.
  return (asLarge + 1) / (rounds + 1);
}
