import { elementCount, type Graph, type Shape, type Tensor, type TensorValue } from "@sightline/graph";
import { TrainingError } from "./training-error.js";

/** Where one parameter lies in the flat buffer of a `ParameterSet`. */
export interface ParameterSlot {
  readonly name: string;
  readonly shape: readonly number[];
  /** First element in the flat buffer. */
  readonly offset: number;
  readonly length: number;
}

/**
 * The trainable parameters of a model, side by side in one float32 buffer: the session reads views of it, the optimiser
 * walks it once, and a checkpoint is the buffer itself.
 */
export class ParameterSet {
  readonly slots: readonly ParameterSlot[];
  readonly values: Float32Array;
  readonly #byName: ReadonlyMap<string, ParameterSlot>;

  /** @param buffer memory for the values, which may be shared between threads; new memory when left out */
  constructor(shapes: ReadonlyMap<string, readonly number[]>, buffer?: Float32Array) {
    let offset = 0;
    this.slots = [...shapes].map(([name, shape]) => {
      const slot = { name, shape, offset, length: elementCount(shape) };
      offset += slot.length;
      return slot;
    });
    this.#byName = new Map(this.slots.map((slot) => [slot.name, slot]));
    if (buffer && buffer.length !== offset) {
      throw new TrainingError(`ParameterSet: the parameters need ${offset} elements, the buffer has ${buffer.length}`);
    }
    this.values = buffer ?? new Float32Array(offset);
  }

  /** Whether there is a parameter of that name. */
  has(name: string): boolean {
    return this.#byName.has(name);
  }

  /** The values of one parameter, as a view. Throws TrainingError for an unknown name. */
  get(name: string): Float32Array {
    return this.view(this.values, name);
  }

  /** The part of a buffer laid out like this set (gradients, moments) that belongs to one parameter. */
  view(buffer: Float32Array, name: string): Float32Array {
    const slot = this.#byName.get(name);
    if (!slot) throw new TrainingError(`ParameterSet: there is no parameter "${name}"`);
    return buffer.subarray(slot.offset, slot.offset + slot.length);
  }

  /** The values as inputs of a session. */
  feeds(buffer: Float32Array = this.values): Record<string, TensorValue> {
    return Object.fromEntries(
      this.slots.map(({ name, shape }) => [name, { dtype: "float32" as const, shape, data: this.view(buffer, name) }]),
    );
  }
}

/**
 * Declares parameters as inputs of a training graph, the first time each is asked for, and remembers their shapes.
 * @returns `parameter`, which builders take, and the tensors and shapes seen so far, in order
 */
export function trainableParameters(graph: Graph): {
  /** What builders take: an input of the graph for each name. */
  readonly parameter: (name: string, shape: Shape) => Tensor;
  readonly tensors: ReadonlyMap<string, Tensor>;
  readonly shapes: ReadonlyMap<string, readonly number[]>;
} {
  const tensors = new Map<string, Tensor>();
  const shapes = new Map<string, readonly number[]>();
  const parameter = (name: string, shape: Shape): Tensor => {
    let tensor = tensors.get(name);
    if (!tensor) {
      tensor = graph.input(name, "float32", shape);
      tensors.set(name, tensor);
      shapes.set(name, shape.map(Number));
    }
    return tensor;
  };
  return { parameter, tensors, shapes };
}
