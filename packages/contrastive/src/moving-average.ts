import type { ParameterSet } from "./parameter-set.js";
import { TrainingError } from "./training-error.js";

/** Settings of `movingAverage`. */
export interface MovingAverageOptions {
  /** Share of the average that stays at each step, as 0.9999. */
  readonly decay: number;
  /** Let the first steps count for more: the share is at most (1 + steps) / (10 + steps). False by default. */
  readonly warmUp?: boolean;
}

/** The average, laid out like the parameters, and the steps in it. */
export interface MovingAverageState {
  readonly values: Float32Array;
  step: number;
}

/** An exponential moving average of parameters, evaluated and saved in their place. */
export interface MovingAverage {
  /** Starts at the parameters' present values. */
  init(parameters: ParameterSet): MovingAverageState;
  /** Takes the parameters in, after an optimiser's step. */
  update(parameters: ParameterSet, state: MovingAverageState): void;
}

/** An exponential moving average of the parameters (Polyak & Juditsky 1992): a ← decay a + (1 - decay) p. */
export function movingAverage({ decay, warmUp = false }: MovingAverageOptions): MovingAverage {
  if (!(decay >= 0 && decay < 1)) throw new TrainingError(`movingAverage: expected a decay in [0, 1), got ${decay}`);
  return {
    init: ({ values }) => ({ values: values.slice(), step: 0 }),
    update({ values }, state) {
      state.step++;
      const kept = warmUp ? Math.min(decay, (1 + state.step) / (10 + state.step)) : decay;
      const average = state.values;
      for (let i = 0; i < average.length; i++) average[i] = kept * (average[i] as number) + (1 - kept) * (values[i] as number);
    },
  };
}
