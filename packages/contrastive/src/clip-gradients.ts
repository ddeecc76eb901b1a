import { scaleGradients, sumOfSquares } from "./adamw.js";

/**
 * Scales gradients so that their norm, over all parameters together, is at most `maxNorm`, in place (Pascanu et al. 2013).
 * @returns the norm before; NaN or infinite where a gradient is, and then nothing is scaled
 */
export function clipGradients(gradients: Float32Array, maxNorm: number): number {
  const all = { start: 0, end: gradients.length };
  const norm = Math.sqrt(sumOfSquares(gradients, all));
  if (norm > maxNorm && Number.isFinite(norm)) scaleGradients(gradients, maxNorm / norm, all);
  return norm;
}
