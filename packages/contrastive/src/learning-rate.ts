/** Settings of `cosineLearningRate`: linear warm-up, then half a cosine down. Steps are counted from 0. */
export interface CosineSchedule {
  /** The highest rate. */
  readonly peak: number;
  /** Steps of linear warm-up. */
  readonly warmupSteps: number;
  /** Steps in all. */
  readonly totalSteps: number;
  /** The rate at the end, as a share of the peak. */
  readonly floor?: number;
}

/** The learning rate at a step (counted from 0): linear warm-up, then half a cosine (Loshchilov & Hutter 2017). */
export function cosineLearningRate(step: number, { peak, warmupSteps, totalSteps, floor = 0 }: CosineSchedule): number {
  if (step < warmupSteps) return (peak * (step + 1)) / warmupSteps;
  const progress = Math.min(1, (step - warmupSteps) / Math.max(1, totalSteps - warmupSteps));
  return peak * (floor + (1 - floor) * 0.5 * (1 + Math.cos(Math.PI * progress)));
}
