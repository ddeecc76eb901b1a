import { TrainingError } from "../training-error.js";

/**
 * Where b should start: at log(p / (1 - p)) with p the share of matches among the pairs, so that logits of 0 + b say what
 * is known before training. About -4.1 at 64 pairs; the paper's -10 fits 22,000.
 * @throws TrainingError when no pair, or every pair, is a match
 */
export function startingLogitBias(matches: number, pairs: number): number {
  if (!(matches > 0 && matches < pairs)) {
    throw new TrainingError(`startingLogitBias: expected matches and negatives, got ${matches} matches among ${pairs} pairs; give the bias a value of its own`);
  }
  return Math.log(matches / (pairs - matches));
}

/**
 * The most that t' may become: the limit that was asked for, but never less than the checkpoint's own value, which a
 * limit such as CLIP's ln 100 = 4.605 would cut (SO400M-384 ships 4.7215). No limit unless one is asked for.
 */
export function logitScaleLimit(shipped: number, wanted: number = Number.POSITIVE_INFINITY): number {
  return Math.max(shipped, wanted);
}
