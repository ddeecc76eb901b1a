import { addRow, dotRows } from "./normalized-rows.js";
import type { PairLabels } from "./pair-labels.js";
import { softplusOf } from "./sigmoid-pair-loss.js";

/** The listed pairs of one tile. */
export interface TilePairs {
  /** int64[E, 2]: image and text, counted from the tile's first. */
  readonly at: BigInt64Array;
  /** float32[E]: the derivative of N times the loss by the logit, over the weight of a negative. */
  readonly gradients: Float32Array;
}

/**
 * The pairs that the labels list, with logits and gradients of their own, computed once in float64: there are about as
 * many as images, where a batch has N x M pairs.
 */
export class ListedLogits {
  /** N times their part of the loss. */
  readonly loss: number;
  readonly #labels: PairLabels;
  readonly #gradients: Float32Array;
  readonly #means: { readonly meanPositiveLogit: number; readonly meanNegativeLogit: number };

  /**
   * @param images float32[N, D], unit rows
   * @param texts float32[M, D], unit rows
   */
  constructor(images: Float32Array, texts: Float32Array, width: number, labels: PairLabels, t: number, bias: number) {
    const { rowStarts, columns, values, negativeWeight } = labels;
    this.#labels = labels;
    this.#gradients = new Float32Array(columns.length);
    let [loss, all, positive, positives, negative, negatives] = [0, 0, 0, 0, 0, 0];
    for (let i = 0; i < labels.images; i++) {
      for (let k = rowStarts[i] as number; k < (rowStarts[i + 1] as number); k++) {
        const logit = t * dotRows(images, i, texts, columns[k] as number, width) + bias;
        const value = values[k] as number;
        loss += Math.abs(value) * softplusOf(value > 0 ? -logit : logit);
        this.#gradients[k] = (Math.abs(value) / negativeWeight) * (1 / (1 + Math.exp(-logit)) - (value > 0 ? 1 : 0));
        all += logit;
        if (value > 0) [positive, positives] = [positive + logit, positives + 1];
        if (value < 0) [negative, negatives] = [negative + logit, negatives + 1];
      }
    }
    this.loss = loss;
    // The sum of all cosines is the product of the sums.
    const total = t * dotRows(sumOfRows(images, width), 0, sumOfRows(texts, width), 0, width) + bias * labels.images * labels.texts;
    const others = labels.images * labels.texts - columns.length + negatives;
    this.#means = { meanPositiveLogit: positive / positives, meanNegativeLogit: others === 0 ? Number.NaN : (total - all + negative) / others };
  }

  /** Mean logits of matches and of negatives; NaN where there are none. */
  meanLogits(): { readonly meanPositiveLogit: number; readonly meanNegativeLogit: number } {
    return this.#means;
  }

  /** The listed pairs of a tile. */
  in(fromImage: number, toImage: number, fromText: number, toText: number): TilePairs {
    const { rowStarts, columns } = this.#labels;
    const at: bigint[] = [];
    const gradients: number[] = [];
    for (let i = fromImage; i < toImage; i++) {
      const end = rowStarts[i + 1] as number;
      for (let k = firstAtLeast(columns, fromText, rowStarts[i] as number, end); k < end && (columns[k] as number) < toText; k++) {
        at.push(BigInt(i - fromImage), BigInt((columns[k] as number) - fromText));
        gradients.push(this.#gradients[k] as number);
      }
    }
    return { at: BigInt64Array.from(at), gradients: Float32Array.from(gradients) };
  }
}

/** The first k in [from, to) with columns[k] >= wanted, or `to`; columns ascend there. */
function firstAtLeast(columns: Int32Array, wanted: number, from: number, to: number): number {
  let [low, high] = [from, to];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((columns[middle] as number) < wanted) low = middle + 1;
    else high = middle;
  }
  return low;
}

function sumOfRows(x: Float32Array, width: number): Float32Array {
  const sum = new Float32Array(width);
  for (let i = 0; i < x.length / width; i++) addRow(sum, 0, x, i, width, 1);
  return sum;
}
