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
  const counts = new CalibrationCounts(bins);
  for (let i = 0; i < n; i++) {
    const probability = probabilities[i] as number;
    if (!(probability >= 0 && probability <= 1)) throw new EvalError("bad-input", `calibration: expected probabilities from 0 to 1, got ${probability} at ${i}`);
    counts.add(probability, truths[i] === true);
  }
  return counts.calibration();
}

/** Counts probabilities as they come, for more of them than fit into memory. */
export class CalibrationCounts {
  readonly #counts: Float64Array;
  readonly #sums: Float64Array;
  readonly #trues: Float64Array;

  constructor(bins = 10) {
    [this.#counts, this.#sums, this.#trues] = [new Float64Array(bins), new Float64Array(bins), new Float64Array(bins)];
  }

  /** @param probability 0 to 1 */
  add(probability: number, truth: boolean): void {
    const bins = this.#counts.length;
    const bin = Math.min(bins - 1, Math.floor(probability * bins));
    this.#counts[bin] = (this.#counts[bin] as number) + 1;
    this.#sums[bin] = (this.#sums[bin] as number) + probability;
    if (truth) this.#trues[bin] = (this.#trues[bin] as number) + 1;
  }

  calibration(): Calibration {
    const n = this.#counts.reduce((sum, count) => sum + count, 0);
    let ece = 0;
    const bins = Array.from(this.#counts, (count, bin): ReliabilityBin => {
      const [meanProbability, shareTrue] = [(this.#sums[bin] as number) / count, (this.#trues[bin] as number) / count];
      if (count > 0) ece += (count / n) * Math.abs(meanProbability - shareTrue);
      return { from: bin / this.#counts.length, count, meanProbability, shareTrue };
    });
    return { bins, ece };
  }
}
