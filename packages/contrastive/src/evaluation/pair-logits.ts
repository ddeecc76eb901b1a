import { ListedLogits } from "../losses/listed-logits.js";
import { normalizeRows } from "../losses/normalized-rows.js";
import { pairLabels } from "../losses/pair-labels.js";
import type { Temperature } from "../losses/pair-loss.js";
import { TrainingError } from "../training-error.js";

/** Embeddings of a held-out set. */
export interface PairLogitSet {
  /** D */
  readonly width: number;
  /** float32[N, D], of any length */
  readonly images: Float32Array;
  /** float32[M, D], of any length */
  readonly texts: Float32Array;
  /** int[M]: the image that each text was written for. */
  readonly imageOfText: ArrayLike<number>;
}

/**
 * Mean of the logits exp(t') x·y + b over the matches, and over all other pairs; NaN where there are none. The sum of all
 * cosines is the product of the sums of the rows, so this takes O((N + M) D).
 * @throws TrainingError when a list does not fit
 */
export function meanPairLogits(set: PairLogitSet, { logitScale, logitBias }: Temperature): { readonly meanPositiveLogit: number; readonly meanNegativeLogit: number } {
  const { width, imageOfText } = set;
  const [n, m] = [set.images.length / width, set.texts.length / width];
  if (!Number.isInteger(n) || m !== imageOfText.length) {
    throw new TrainingError(`meanPairLogits: expected images [N, ${width}] and texts [M, ${width}] with M images of texts, got ${set.images.length} and ${set.texts.length} elements, and ${imageOfText.length}`);
  }
  const labels = pairLabels({ images: n, imageOfText });
  const [images, texts] = [normalizeRows(set.images, width).rows, normalizeRows(set.texts, width).rows];
  return new ListedLogits(images, texts, width, labels, Math.exp(logitScale), logitBias).meanLogits();
}
