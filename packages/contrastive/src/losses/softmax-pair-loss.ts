import type { PairLabels } from "./pair-labels.js";
import { expectPairs, type PairEmbeddings, type PairLossResult, type Temperature } from "./pair-loss.js";
import { addRow, backpropRows, dotRows, normalizeRows } from "./normalized-rows.js";

/**
 * The softmax loss of CLIP (see `softmaxLoss`) and its derivatives, one image after another in two passes, in memory
 * O(N + M). With p and p' the softmax over texts and over images, q and q' the targets:
 * g_ij = ½ (p_ij - q_ij) / images with a match + ½ (p'_ij - q'_ij) / texts with a match; b does not matter.
 */
export function softmaxPairLoss(embeddings: PairEmbeddings, labels: PairLabels, { logitScale }: Temperature): PairLossResult {
  expectPairs("softmaxPairLoss", embeddings, labels);
  const { width } = embeddings;
  const t = Math.exp(logitScale);
  const images = normalizeRows(embeddings.images, width);
  const texts = normalizeRows(embeddings.texts, width);
  const overTexts = directions(labels.images);
  const overImages = directions(labels.texts);
  const sums = { positive: 0, positives: 0, negative: 0, negatives: 0 };
  for (const { i, j, label, logit } of pairs(images.rows, texts.rows, width, labels, t)) {
    if (label !== 0) {
      const weight = label > 0 ? 1 : -label;
      count(overTexts, i, logit, weight, label);
      count(overImages, j, logit, weight, label);
    }
    if (label > 0) [sums.positive, sums.positives] = [sums.positive + logit, sums.positives + 1];
    if (label < 0) [sums.negative, sums.negatives] = [sums.negative + logit, sums.negatives + 1];
  }
  const imageGradients = new Float32Array(embeddings.images.length);
  const textGradients = new Float32Array(embeddings.texts.length);
  const [rowsCounted, columnsCounted] = [overTexts, overImages].map(({ matches }) => Math.max(1, matches.filter((sum) => sum > 0).length)) as [number, number];
  let loss = 0;
  for (const { i, j, label, logit } of pairs(images.rows, texts.rows, width, labels, t)) {
    if (label === 0) continue;
    const byText = derivative(overTexts, i, logit, label, 0.5 / rowsCounted);
    const byImage = derivative(overImages, j, logit, label, 0.5 / columnsCounted);
    loss += byText.loss + byImage.loss;
    addRow(imageGradients, i, texts.rows, j, width, t * (byText.gradient + byImage.gradient));
    addRow(textGradients, j, images.rows, i, width, t * (byText.gradient + byImage.gradient));
  }
  const logitScaleGradient = backpropRows(imageGradients, images, width, 1);
  backpropRows(textGradients, texts, width, 1);
  return {
    loss,
    imageGradients,
    textGradients,
    logitScaleGradient,
    logitBiasGradient: 0,
    meanPositiveLogit: sums.positive / sums.positives,
    meanNegativeLogit: sums.negative / sums.negatives,
  };
}

interface Pair {
  readonly i: number;
  readonly j: number;
  readonly label: number;
  readonly logit: number;
}

function* pairs(images: Float32Array, texts: Float32Array, width: number, labels: PairLabels, t: number): Generator<Pair> {
  for (let i = 0; i < labels.images; i++) {
    let k = labels.rowStarts[i] as number;
    const end = labels.rowStarts[i + 1] as number;
    for (let j = 0; j < labels.texts; j++) {
      const label = k < end && labels.columns[k] === j ? (labels.values[k++] as number) : -labels.negativeWeight;
      yield { i, j, label, logit: t * dotRows(images, i, texts, j, width) };
    }
  }
}

/** For each image (or text): the largest logit so far, the sum of w exp(l - largest), the sum of the matches' weights. */
interface Directions {
  readonly largest: Float64Array;
  readonly sums: Float64Array;
  readonly matches: Float64Array;
}

function directions(length: number): Directions {
  return { largest: new Float64Array(length).fill(Number.NEGATIVE_INFINITY), sums: new Float64Array(length), matches: new Float64Array(length) };
}

function count({ largest, sums, matches }: Directions, at: number, logit: number, weight: number, label: number): void {
  const before = largest[at] as number;
  const now = Math.max(before, logit);
  sums[at] = (sums[at] as number) * Math.exp(before - now) + weight * Math.exp(logit - now);
  largest[at] = now;
  if (label > 0) matches[at] = (matches[at] as number) + label;
}

/** One pair's part of a cross-entropy, -q log p, and its derivative by the logit, both times `share`. */
function derivative({ largest, sums, matches }: Directions, at: number, logit: number, label: number, share: number): { readonly loss: number; readonly gradient: number } {
  const total = matches[at] as number;
  if (total === 0) return { loss: 0, gradient: 0 };
  const logSum = (largest[at] as number) + Math.log(sums[at] as number);
  const target = label > 0 ? label / total : 0;
  const probability = (label > 0 ? 1 : -label) * Math.exp(logit - logSum);
  return { loss: share * target * (logSum - logit), gradient: share * (probability - target) };
}
