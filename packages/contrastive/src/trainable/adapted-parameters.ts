import { lowRankSum, type Graph, type LowRankDropout, type Shape, type Tensor, type TensorValue } from "@sightline/graph";
import { seededHash, seededUniform } from "../seeded-hash.js";
import { loraFactor, loraNames, loraTargets, type LoraOptions } from "./lora.js";

type Parameter = (name: string, shape: Shape) => Tensor;

/** Which parameters of a model are trained, and how; see `adaptedParameters`. */
export interface AdaptedParameterOptions {
  /** Where parameters that are not trained come from, as `weightParameters` of a checkpoint. */
  readonly frozen: Parameter;
  /** Which parameters are trained as they are; none by default. See `selectTrainable`. */
  readonly trains?: (name: string) => boolean;
  /** Adapters beside frozen matrices. */
  readonly lora?: LoraOptions;
}

/** Parameters for a model's builder, some of them trained. */
export interface AdaptedParameters {
  /** What builders take. */
  readonly parameter: Parameter;
  /** Inputs to train, by name: those selected, and the adapters; they are a training graph's `parameters`. */
  readonly tensors: ReadonlyMap<string, Tensor>;
  /**
   * Further inputs of a pass: the numbers that dropout masks are made of. They depend on the arguments alone, so that a
   * chunk can be run again with its masks.
   * @param chunk the chunk's first row, where a step has several
   */
  dropoutFeeds(seed: number, step: number, chunk?: number): Record<string, TensorValue>;
}

/**
 * Declares what is trained as inputs of a graph, the first time each is asked for, and leaves the rest frozen, so that no
 * gradient, no moment and no copy of it is held.
 */
export function adaptedParameters(graph: Graph, { frozen, trains = () => false, lora }: AdaptedParameterOptions): AdaptedParameters {
  const factor = lora ? loraFactor(lora) : 0;
  const targets = lora?.targets ?? loraTargets();
  const known = new Map<string, Tensor>();
  const tensors = new Map<string, Tensor>();
  const uniforms = new Map<string, Tensor>();
  const train = (name: string, shape: Shape): Tensor => {
    const tensor = graph.input(name, "float32", shape);
    tensors.set(name, tensor);
    return tensor;
  };
  const uniform = (name: string, shape: readonly number[]): Tensor => {
    let tensor = uniforms.get(name);
    if (!tensor) {
      tensor = graph.input(name, "float32", shape);
      uniforms.set(name, tensor);
    }
    return tensor;
  };
  const make = (name: string, shape: Shape): Tensor => {
    if (trains(name)) return train(name, shape);
    const weight = frozen(name, shape);
    if (!lora || shape.length !== 2 || !targets(name)) return weight;
    const [out, inWidth] = shape.map(Number) as [number, number];
    const names = loraNames(name);
    const dropout: LowRankDropout | undefined = lora.dropout && !name.endsWith("in_proj_weight")
      ? { rate: lora.dropout, columns: uniform(`dropout ${name}`, [inWidth]), rows: (count) => uniform(`dropout rows ${count}`, [count, 1]) }
      : undefined;
    const change = { down: train(names.down, [lora.rank, inWidth]), up: train(names.up, [out, lora.rank]), factor };
    return lowRankSum(weight, dropout ? { ...change, dropout } : change);
  };
  return {
    parameter(name, shape) {
      const tensor = known.get(name) ?? make(name, shape);
      known.set(name, tensor);
      return tensor;
    },
    tensors,
    dropoutFeeds: (seed, step, chunk = 0) =>
      Object.fromEntries(
        [...uniforms].map(([name, { shape }]) => {
          const dims = shape.map(Number);
          const hash = seededHash(seed, step, chunk, name);
          const data = Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, (_, i) => seededUniform(hash, i));
          return [name, { dtype: "float32" as const, shape: dims, data }];
        }),
      ),
  };
}
