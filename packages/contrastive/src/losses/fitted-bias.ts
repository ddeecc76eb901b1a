import { TrainingError } from "../training-error.js";
import { dotRows, normalizeRows } from "./normalized-rows.js";
import type { PairLabels } from "./pair-labels.js";
import { expectPairs, type PairEmbeddings } from "./pair-loss.js";

const iterations = 100;

/**
 * The b under which the probabilities of a batch add up to its matches, Σ w σ(exp(t') x·y + b) = Σ w [match]: the b of
 * least sigmoid loss while t' stays. Where all cosines are 0 it is `startingLogitBias`, log(p / (1 - p)); where a tower is
 * trained already it keeps its logits where they were, but for the smaller batch.
 * Found by bisection over all pairs that count, in memory O(N M) of float64, so meant for one batch at the start.
 * @throws TrainingError when the batch has no match, or nothing else
 */
export function fittedLogitBias(embeddings: PairEmbeddings, labels: PairLabels, logitScale: number): number {
  expectPairs("fittedLogitBias", embeddings, labels);
  const { width } = embeddings;
  const t = Math.exp(logitScale);
  const images = normalizeRows(embeddings.images, width).rows;
  const texts = normalizeRows(embeddings.texts, width).rows;
  const logits: number[] = [];
  const weights: number[] = [];
  let matches = 0;
  for (let i = 0; i < labels.images; i++) {
    const listed = new Map<number, number>();
    for (let k = labels.rowStarts[i] as number; k < (labels.rowStarts[i + 1] as number); k++) listed.set(labels.columns[k] as number, labels.values[k] as number);
    for (let j = 0; j < labels.texts; j++) {
      const label = listed.get(j) ?? -labels.negativeWeight;
      if (label === 0) continue;
      logits.push(t * dotRows(images, i, texts, j, width));
      weights.push(Math.abs(label));
      if (label > 0) matches += label;
    }
  }
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  if (!(matches > 0 && matches < total)) {
    throw new TrainingError(`fittedLogitBias: expected matches and negatives, got ${matches} matches of ${total} pairs that count; give the bias a value of its own`);
  }
  const expected = (bias: number): number => logits.reduce((sum, logit, i) => sum + (weights[i] as number) / (1 + Math.exp(-(logit + bias))), 0);
  const start = Math.log(matches / (total - matches));
  const extent = logits.reduce((most, logit) => Math.max(most, Math.abs(logit)), 0);
  let [low, high] = [start - extent, start + extent];
  for (let i = 0; i < iterations && high - low > 1e-9; i++) {
    const middle = (low + high) / 2;
    if (expected(middle) < matches) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}
