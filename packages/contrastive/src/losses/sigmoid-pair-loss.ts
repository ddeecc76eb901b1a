import type { PairLabels } from "./pair-labels.js";
import { expectPairs, expectSelection, type NegativeSelection, type PairEmbeddings, type PairLossResult, type Temperature } from "./pair-loss.js";
import { addRow, backpropRows, dotRows, normalizeRows } from "./normalized-rows.js";

/**
 * The pairwise sigmoid loss (Zhai et al. 2023, eq. 1) and its derivatives, one image after another, in memory O(M):
 * 1/N Σ_ij w_ij softplus(-y_ij l_ij) with l_ij = exp(t') x_i·y_j + b. With g_ij = w_ij (σ(l_ij) - [match]) / N:
 * dX = exp(t') g Y, dY = exp(t') gᵀ X, db = Σ g, dt' = Σ g_ij (l_ij - b).
 */
export function sigmoidPairLoss(
  embeddings: PairEmbeddings,
  labels: PairLabels,
  { logitScale, logitBias }: Temperature,
  negatives: NegativeSelection = {},
): PairLossResult {
  expectPairs("sigmoidPairLoss", embeddings, labels);
  expectSelection("sigmoidPairLoss", negatives);
  const { width } = embeddings;
  const t = Math.exp(logitScale);
  const images = normalizeRows(embeddings.images, width);
  const texts = normalizeRows(embeddings.texts, width);
  const imageGradients = new Float32Array(embeddings.images.length);
  const textGradients = new Float32Array(embeddings.texts.length);
  const logits = new Float64Array(labels.texts);
  const kept = new Float64Array(labels.texts);
  const sums = { loss: 0, bias: 0, positive: 0, positives: 0, negative: 0, negatives: 0 };
  for (let i = 0; i < labels.images; i++) {
    for (let j = 0; j < labels.texts; j++) logits[j] = t * dotRows(images.rows, i, texts.rows, j, width) + logitBias;
    fillWeights(kept, logits, i, labels, negatives, t * (negatives.maxCosine ?? Number.POSITIVE_INFINITY) + logitBias);
    const listed = new Map<number, number>();
    for (let k = labels.rowStarts[i] as number; k < (labels.rowStarts[i + 1] as number); k++) listed.set(labels.columns[k] as number, labels.values[k] as number);
    for (let j = 0; j < labels.texts; j++) {
      const logit = logits[j] as number;
      const label = listed.get(j) ?? -1;
      if (label > 0) [sums.positive, sums.positives] = [sums.positive + logit, sums.positives + 1];
      if (label < 0) [sums.negative, sums.negatives] = [sums.negative + logit, sums.negatives + 1];
      const weight = (kept[j] as number) / labels.images;
      if (weight === 0) continue;
      const g = weight * (1 / (1 + Math.exp(-logit)) - (label > 0 ? 1 : 0));
      sums.loss += weight * softplusOf(label > 0 ? -logit : logit);
      sums.bias += g;
      addRow(imageGradients, i, texts.rows, j, width, t * g);
      addRow(textGradients, j, images.rows, i, width, t * g);
    }
  }
  const logitScaleGradient = backpropRows(imageGradients, images, width, 1);
  backpropRows(textGradients, texts, width, 1);
  return {
    loss: sums.loss,
    imageGradients,
    textGradients,
    logitScaleGradient,
    logitBiasGradient: sums.bias,
    meanPositiveLogit: sums.positive / sums.positives,
    meanNegativeLogit: sums.negative / sums.negatives,
  };
}

/** log(1 + exp(x)) without overflow. */
export function softplusOf(x: number): number {
  return Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
}

/** Writes |label| of each pair of an image, 0 where the selection leaves a negative out. */
function fillWeights(out: Float64Array, logits: Float64Array, image: number, labels: PairLabels, { hardest }: NegativeSelection, maxLogit: number): void {
  const { rowStarts, columns, values, negativeWeight } = labels;
  const candidates = Float64Array.from(logits, (logit) => (logit > maxLogit ? Number.NEGATIVE_INFINITY : logit));
  for (let k = rowStarts[image] as number; k < (rowStarts[image + 1] as number); k++) candidates[columns[k] as number] = Number.NEGATIVE_INFINITY;
  const last = hardest === undefined || hardest >= candidates.length ? Number.NEGATIVE_INFINITY : (candidates.toSorted().at(-hardest) as number);
  for (let j = 0; j < out.length; j++) {
    const candidate = candidates[j] as number;
    out[j] = candidate >= last && candidate > Number.NEGATIVE_INFINITY ? negativeWeight : 0;
  }
  for (let k = rowStarts[image] as number; k < (rowStarts[image + 1] as number); k++) out[columns[k] as number] = Math.abs(values[k] as number);
}
