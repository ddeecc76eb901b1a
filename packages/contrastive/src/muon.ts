import { add, Graph, matmul, openSession, scale, type Session } from "@sightline/graph";
import { adamW, decaysByDefault, type AdamWOptions, type AdamWState, type ElementRange, type Optimizer } from "./adamw.js";
import type { ParameterSet, ParameterSlot } from "./parameter-set.js";
import { TrainingError } from "./training-error.js";

/** Settings of `muon`; those of AdamW are for the parameters that AdamW trains beside it. */
export interface MuonOptions extends AdamWOptions {
  /** Decay of the momentum, which is Nesterov's; 0.95 by default. */
  readonly momentum?: number;
  /** The parameters that Muon trains; AdamW trains the rest. By default `isHiddenMatrix`. */
  readonly orthogonalizes?: (slot: ParameterSlot) => boolean;
}

/** Coefficients of the quintic Newton–Schulz iteration (Jordan et al. 2024), which brings singular values near 1 in five steps. */
const [linear, cubic, quintic] = [3.4445, -4.775, 2.0315] as const;
const iterations = 5;

/** A matrix inside the network: no embedding table, no kernel over pixels, no probe, no classifier at the end. */
export function isHiddenMatrix({ name, shape }: ParameterSlot): boolean {
  return shape.length === 2 && Math.min(...shape) > 1 && !/embed|classifier|lm_head/.test(name);
}

/**
 * Muon (Jordan et al. 2024): the step of a matrix is its momentum with all singular values brought near 1, so that no
 * direction of a layer starves while another overshoots. Steps are scaled by 0.2·sqrt(max(rows, columns)), which gives
 * them AdamW's usual size (Liu et al. 2025, eq. 4), so both take one learning rate and one weight decay.
 * Momentum lies in the state's first moment. The matrix products run on ONNX Runtime, one thread, matrices of a shape together.
 */
export function muon(options: MuonOptions = {}): Optimizer<AdamWState> {
  const { momentum = 0.95, orthogonalizes = isHiddenMatrix, weightDecay = 0, decays = decaysByDefault, rateFactor = () => 1 } = options;
  const rest = adamW({ ...options, applies: (slot) => !orthogonalizes(slot) });
  const sessions = new Map<string, Orthogonalizer>();
  return {
    wholeParameters: true,
    init: rest.init,
    async update(parameters, gradients, state, learningRate, range = { start: 0, end: parameters.values.length }) {
      await rest.update(parameters, gradients, state, learningRate, range);
      for (const slots of groupByShape(parameters.slots.filter((slot) => orthogonalizes(slot) && within(slot, range)))) {
        const [rows, columns] = (slots[0] as ParameterSlot).shape as [number, number];
        const key = `${slots.length}x${rows}x${columns}`;
        const session = sessions.get(key) ?? (await Orthogonalizer.open(slots.length, rows, columns));
        sessions.set(key, session);
        const steps = await session.run((k, out) => nesterov(slots[k] as ParameterSlot, gradients, state.firstMoment, momentum, out));
        const size = 0.2 * Math.sqrt(Math.max(rows, columns));
        slots.forEach((slot, k) => {
          const rate = learningRate * rateFactor(slot);
          takeStep(parameters, slot, steps.subarray(k * slot.length, (k + 1) * slot.length), rate * size, 1 - rate * (decays(slot) ? weightDecay : 0));
        });
      }
    },
    async [Symbol.asyncDispose]() {
      for (const session of sessions.values()) await session[Symbol.asyncDispose]();
      sessions.clear();
    },
  };
}

function within({ offset, length, name }: ParameterSlot, { start, end }: ElementRange): boolean {
  const inside = offset >= start && offset + length <= end;
  if (!inside && offset < end && offset + length > start) {
    throw new TrainingError(`muon: expected ranges of whole parameters, got elements ${start} to ${end}, which cut through "${name}"`);
  }
  return inside;
}

function groupByShape(slots: readonly ParameterSlot[]): Iterable<readonly ParameterSlot[]> {
  const groups = new Map<string, ParameterSlot[]>();
  for (const slot of slots) {
    const group = groups.get(slot.shape.join());
    if (group) group.push(slot);
    else groups.set(slot.shape.join(), [slot]);
  }
  return groups.values();
}

/** Adds the gradient to the momentum and writes the look-ahead (m ← βm + (1-β)g; out = βm + (1-β)g). */
function nesterov({ offset, length }: ParameterSlot, gradients: Float32Array, moment: Float32Array, beta: number, out: Float32Array): void {
  for (let i = 0; i < length; i++) {
    const g = (1 - beta) * (gradients[offset + i] as number);
    const m = beta * (moment[offset + i] as number) + g;
    moment[offset + i] = m;
    out[i] = beta * m + g;
  }
}

function takeStep({ values }: ParameterSet, { offset, length }: ParameterSlot, step: Float32Array, rate: number, keep: number): void {
  for (let i = 0; i < length; i++) values[offset + i] = (values[offset + i] as number) * keep - rate * (step[i] as number);
}

/** The Newton–Schulz iteration for N matrices of one shape: X ← aX + (bA + cA²)X with A = XXᵀ, from X / ‖X‖. */
class Orthogonalizer implements AsyncDisposable {
  readonly #session: Session;
  readonly #shape: readonly [number, number, number];
  readonly #matrices: Float32Array;

  private constructor(session: Session, shape: readonly [number, number, number]) {
    this.#session = session;
    this.#shape = shape;
    this.#matrices = new Float32Array(shape[0] * shape[1] * shape[2]);
  }

  static async open(count: number, rows: number, columns: number): Promise<Orthogonalizer> {
    const graph = new Graph();
    let x = graph.input("matrices", "float32", [count, rows, columns]);
    // The product is taken over the longer side, whichever that is: (XXᵀ)X or X(XᵀX).
    const tall = rows > columns;
    for (let i = 0; i < iterations; i++) {
      const a = tall ? matmul(x, x, { transposeA: true }) : matmul(x, x, { transposeB: true });
      const b = add(scale(a, cubic), scale(matmul(a, a), quintic));
      x = add(scale(x, linear), tall ? matmul(x, b) : matmul(b, x));
    }
    graph.output("orthogonal", x);
    return new Orthogonalizer(await openSession(graph, { device: "cpu", threads: 1 }), [count, rows, columns]);
  }

  /** @param fill writes matrix k; returns float32[N, rows, columns], valid until the next run */
  async run(fill: (k: number, out: Float32Array) => void): Promise<Float32Array> {
    const [count, rows, columns] = this.#shape;
    for (let k = 0; k < count; k++) {
      const matrix = this.#matrices.subarray(k * rows * columns, (k + 1) * rows * columns);
      fill(k, matrix);
      let squares = 0;
      for (let i = 0; i < matrix.length; i++) squares += (matrix[i] as number) ** 2;
      const factor = 1 / (Math.sqrt(squares) + 1e-12);
      for (let i = 0; i < matrix.length; i++) matrix[i] = (matrix[i] as number) * factor;
    }
    const { orthogonal } = await this.#session.run({ matrices: { dtype: "float32", shape: this.#shape, data: this.#matrices } });
    return orthogonal?.data as Float32Array;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#session[Symbol.asyncDispose]();
  }
}
