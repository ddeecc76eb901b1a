import type { ParameterSet, ParameterSlot } from "./parameter-set.js";

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
}

/** What AdamW remembers: both moments, laid out like the parameters, and the steps taken. */
export interface AdamWState {
  readonly firstMoment: Float32Array;
  readonly secondMoment: Float32Array;
  step: number;
}

export interface Optimizer<State> {
  init(parameters: ParameterSet): State;
  /** Changes the parameters in place by one step against `gradients`, float32 laid out like the parameters. */
  update(parameters: ParameterSet, gradients: Float32Array, state: State, learningRate: number): void;
}

/** A matrix decays; a vector or a scalar (norm gain, bias, temperature) and a learned probe do not. */
export function decaysByDefault({ shape }: ParameterSlot): boolean {
  return shape.filter((dim) => dim > 1).length > 1;
}

/** Adam with decoupled weight decay (Loshchilov & Hutter 2019, algorithm 2). */
export function adamW(options: AdamWOptions = {}): Optimizer<AdamWState> {
  const { beta1 = 0.9, beta2 = 0.95, epsilon = 1e-8, weightDecay = 0, decays = decaysByDefault, rateFactor = () => 1 } = options;
  return {
    init: (parameters) => ({
      firstMoment: new Float32Array(parameters.values.length),
      secondMoment: new Float32Array(parameters.values.length),
      step: 0,
    }),
    update(parameters, gradients, state, learningRate) {
      state.step++;
      const correction1 = 1 - beta1 ** state.step;
      const correction2 = 1 / (1 - beta2 ** state.step);
      const { values } = parameters;
      const { firstMoment, secondMoment } = state;
      for (const slot of parameters.slots) {
        const rate = learningRate * rateFactor(slot);
        const keep = 1 - rate * (decays(slot) ? weightDecay : 0);
        const stepSize = rate / correction1;
        for (let i = slot.offset, end = slot.offset + slot.length; i < end; i++) {
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

/** The Euclidean norm of all gradients together. */
export function gradientNorm(gradients: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < gradients.length; i++) sum += (gradients[i] as number) ** 2;
  return Math.sqrt(sum);
}

/** Scales gradients down in place so that their norm is at most `maximum`; returns the norm before. */
export function clipGradientNorm(gradients: Float32Array, maximum: number): number {
  const norm = gradientNorm(gradients);
  if (norm > maximum) {
    const factor = maximum / norm;
    for (let i = 0; i < gradients.length; i++) gradients[i] = (gradients[i] as number) * factor;
  }
  return norm;
}
