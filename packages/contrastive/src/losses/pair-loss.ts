import type { PairLabels } from "./pair-labels.js";
import { TrainingError } from "../training-error.js";

/** Embeddings of a batch, before normalisation. */
export interface PairEmbeddings {
  /** D */
  readonly width: number;
  /** float32[N, D] */
  readonly images: Float32Array;
  /** float32[M, D] */
  readonly texts: Float32Array;
}

/** t' and b of the logits exp(t') x·y + b. */
export interface Temperature {
  readonly logitScale: number;
  readonly logitBias: number;
}

/** A loss and its derivatives by everything that it depends on. */
export interface PairLossResult {
  readonly loss: number;
  /** float32[N, D] */
  readonly imageGradients: Float32Array;
  /** float32[M, D] */
  readonly textGradients: Float32Array;
  /** d loss / d t' */
  readonly logitScaleGradient: number;
  /** d loss / d b */
  readonly logitBiasGradient: number;
  /** Mean logit of the matches; NaN without any. */
  readonly meanPositiveLogit: number;
  /** Mean logit of the negatives, masked ones included; NaN without any. */
  readonly meanNegativeLogit: number;
}

/** A contrastive loss as a function from numbers to numbers; what the cached training step takes. */
export type PairLoss = (embeddings: PairEmbeddings, labels: PairLabels, temperature: Temperature) => PairLossResult | Promise<PairLossResult>;

/** Which negatives count. Pairs that the labels list are not touched. */
export interface NegativeSelection {
  /** Of each image's negatives only so many count, those with the largest logits (and others with the last one's logit). */
  readonly hardest?: number;
  /** Negatives with a larger cosine do not count: they are likely to be true. */
  readonly maxCosine?: number;
}

/** Throws TrainingError when embeddings and labels do not belong together. */
export function expectPairs(caller: string, { width, images, texts }: PairEmbeddings, labels: PairLabels): void {
  if (images.length !== labels.images * width || texts.length !== labels.texts * width || labels.images === 0 || labels.texts === 0) {
    throw new TrainingError(
      `${caller}: expected embeddings [${labels.images}, ${width}] and [${labels.texts}, ${width}] of at least one pair, got ${images.length} and ${texts.length} elements`,
    );
  }
}

/** Throws TrainingError when a selection makes no sense. */
export function expectSelection(caller: string, { hardest, maxCosine }: NegativeSelection): void {
  if (hardest !== undefined && !(Number.isInteger(hardest) && hardest > 0)) throw new TrainingError(`${caller}: expected hardest to be a whole number above 0, got ${hardest}`);
  if (maxCosine !== undefined && Number.isNaN(maxCosine)) throw new TrainingError(`${caller}: expected maxCosine to be a number, got NaN`);
}
