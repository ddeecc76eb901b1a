import type { ParameterSet, ParameterSlot } from "./parameter-set.js";

/** Settings of `adamW` (Loshchilov and Hutter 2019). */
export interface AdamWOptions {
  readonly beta1?: number;
  /** 0.95 by default: 0.999 lets the sigmoid loss spike (Zhai et al. 2023, section 4.5). */
  readonly beta2?: number;
  readonly epsilon?: number;
  /** Decoupled decay, applied where `decays` says so. */
  readonly weightDecay?: number;
  /** Norms, biases, temperature and bias of the loss take no decay by default. */
  readonly decays?: (slot: ParameterSlot) => boolean;
  /** Factor on the learning rate of one parameter. */
  readonly rateFactor?: (slot: ParameterSlot) => number;
  /** The parameters to change, all by default; others belong to another optimiser. */
  readonly applies?: (slot: ParameterSlot) => boolean;
}

/** What AdamW remembers: both moments, laid out like the parameters, and the steps taken. */
export interface AdamWState {
  readonly firstMoment: Float32Array;
  readonly secondMoment: Float32Array;
  step: number;
}

/** How gradients change parameters; it keeps its memory in a state of its own, so that a checkpoint can hold it. */
export interface Optimizer<State> extends Partial<AsyncDisposable> {
  /** True if a range must not cut through a parameter. */
  readonly wholeParameters?: boolean;
  /** The state before the first step. */
  init(parameters: ParameterSet): State;
  /**
   * Changes the parameters in place by one step against `gradients`, float32 laid out like the parameters.
   * @param range the elements to change, all when left out, so that several threads may share one step
   */
  update(parameters: ParameterSet, gradients: Float32Array, state: State, learningRate: number, range?: ElementRange): void | Promise<void>;
}

/** Elements start <= i < end of a flat buffer. */
export interface ElementRange {
  readonly start: number;
  readonly end: number;
}

/** A matrix decays; a vector or a scalar (norm gain, bias, temperature) and a learned probe do not. */
export function decaysByDefault({ shape }: ParameterSlot): boolean {
  return shape.filter((dim) => dim > 1).length > 1;
}

/** Adam with decoupled weight decay (Loshchilov & Hutter 2019, algorithm 2). */
export function adamW(options: AdamWOptions = {}): Optimizer<AdamWState> {
  const { beta1 = 0.9, beta2 = 0.95, epsilon = 1e-8, weightDecay = 0, decays = decaysByDefault, rateFactor = () => 1, applies = () => true } = options;
  return {
    init: (parameters) => ({
      firstMoment: new Float32Array(parameters.values.length),
      secondMoment: new Float32Array(parameters.values.length),
      step: 0,
    }),
    update(parameters, gradients, state, learningRate, range = { start: 0, end: parameters.values.length }) {
      state.step++;
      const correction1 = 1 - beta1 ** state.step;
      const correction2 = 1 / (1 - beta2 ** state.step);
      const { values } = parameters;
      const { firstMoment, secondMoment } = state;
      for (const slot of parameters.slots) {
        if (!applies(slot)) continue;
        const rate = learningRate * rateFactor(slot);
        const keep = 1 - rate * (decays(slot) ? weightDecay : 0);
        const stepSize = rate / correction1;
        const end = Math.min(range.end, slot.offset + slot.length);
        for (let i = Math.max(range.start, slot.offset); i < end; i++) {
          const g = gradients[i] as number;
          const m = beta1 * (firstMoment[i] as number) + (1 - beta1) * g;
          const v = beta2 * (secondMoment[i] as number) + (1 - beta2) * g * g;
          firstMoment[i] = m;
          secondMoment[i] = v;
          values[i] = (values[i] as number) * keep - (stepSize * m) / (Math.sqrt(v * correction2) + epsilon);
        }
      }
    },
  };
}

/** The sum of squares of the gradients in a range. */
export function sumOfSquares(gradients: Float32Array, { start, end }: ElementRange): number {
  let sum = 0;
  for (let i = start; i < end; i++) sum += (gradients[i] as number) ** 2;
  return sum;
}

/** Multiplies the gradients in a range by a factor, in place. */
export function scaleGradients(gradients: Float32Array, factor: number, { start, end }: ElementRange): void {
  for (let i = start; i < end; i++) gradients[i] = (gradients[i] as number) * factor;
}
