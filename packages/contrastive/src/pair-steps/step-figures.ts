import type { Temperature } from "../losses/pair-loss.js";

/** t, b and the mean logits, by the names that logs and pictures know. */
export function stepFigures(
  { logitScale, logitBias }: Temperature,
  { meanPositiveLogit, meanNegativeLogit }: { readonly meanPositiveLogit: number; readonly meanNegativeLogit: number },
): Readonly<Record<string, number>> {
  return { temperature: Math.exp(logitScale), logitBias, meanPositiveLogit, meanNegativeLogit };
}
