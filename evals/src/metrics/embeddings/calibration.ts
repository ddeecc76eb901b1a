import { EvalError } from "../../eval-error.js";

/** Answers whose probabilities lie in one range. */
export interface ReliabilityBin {
  /** Probabilities from here, up to the next bin's. */
  readonly from: number;
  readonly count: number;
  /** NaN in an empty bin, as is the next. */
  readonly meanProbability: number;
  readonly shareTrue: number;
}

/** How far probabilities are from how often things are true. */
export interface Calibration {
  readonly bins: readonly ReliabilityBin[];
  /** Expected calibration error, 0 to 1: the gap between probability and truth, a bin counting by its size. */
  readonly ece: number;
}

/**
 * How far probabilities are what they say (Guo et al. 2017), as SigLIP gives one to each pair of image and text.
 * @param probabilities float[N], 0 to 1
 * @param truths boolean[N]
 * @throws EvalError `bad-input` when the lists are empty, differ in length, or hold what is no probability
 */
export function calibration(probabilities: ArrayLike<number>, truths: ArrayLike<boolean>, bins = 10): Calibration {
  const n = probabilities.length;
  if (n === 0 || n !== truths.length) throw new EvalError("bad-input", `calibration: expected as many truths as probabilities, at least one, got ${truths.length} and ${n}`);
  const [counts, sums, trues] = [new Float64Array(bins), new Float64Array(bins), new Float64Array(bins)];
  for (let i = 0; i < n; i++) {
    const probability = probabilities[i] as number;
    if (!(probability >= 0 && probability <= 1)) throw new EvalError("bad-input", `calibration: expected probabilities from 0 to 1, got ${probability} at ${i}`);
    const bin = Math.min(bins - 1, Math.floor(probability * bins));
    counts[bin] = (counts[bin] as number) + 1;
    sums[bin] = (sums[bin] as number) + probability;
    trues[bin] = (trues[bin] as number) + (truths[i] === true ? 1 : 0);
  }
  let ece = 0;
  const curve = Array.from(counts, (count, bin): ReliabilityBin => {
    const [meanProbability, shareTrue] = [(sums[bin] as number) / count, (trues[bin] as number) / count];
    if (count > 0) ece += (count / n) * Math.abs(meanProbability - shareTrue);
    return { from: bin / bins, count, meanProbability, shareTrue };
  });
  return { bins: curve, ece };
}
