/** How far a number may be off. */
const tolerance = 0.05;

/**
 * Relaxed accuracy of one answer about a chart (Methani et al. 2020): a number may be off by 5%, a percentage being a
 * hundredth; other answers must be the same but for the letters' case.
 */
export function relaxedAccuracy(prediction: string, answer: string): 0 | 1 {
  const [said, right] = [numberOf(prediction), numberOf(answer)];
  // With 0 as the answer there is nothing to be relative to.
  if (said !== undefined && right !== undefined && right !== 0) return Math.abs(said - right) / Math.abs(right) <= tolerance ? 1 : 0;
  return prediction.toLowerCase() === answer.toLowerCase() ? 1 : 0;
}

function numberOf(text: string): number | undefined {
  const percent = text.endsWith("%");
  const figures = (percent ? text.replace(/%+$/, "") : text).trim();
  if (!/^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i.test(figures)) return undefined;
  return percent ? Number(figures) / 100 : Number(figures);
}
