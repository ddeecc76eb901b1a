import type { Graph, Shape, Tensor, TensorValue } from "../src/index.js";
import { seededValues } from "./finite-differences.js";

/** An input of the graph and a value for it, in [-1, 1), with B = 2. */
export function seededInput(graph: Graph, feeds: Record<string, TensorValue>, shape: Shape): Tensor {
  const seed = Object.keys(feeds).length + 1;
  const known = shape.map((dim) => (typeof dim === "number" ? dim : 2));
  const name = `input${seed}`;
  feeds[name] = { dtype: "float32", shape: known, data: seededValues(known.reduce((a, b) => a * b, 1), seed) };
  return graph.input(name, "float32", shape);
}

export function furthest(a: TensorValue | undefined, b: TensorValue | undefined): number {
  if (!a || !b || a.shape.join() !== b.shape.join()) return Number.POSITIVE_INFINITY;
  const other = b.data as Float32Array;
  // A NaN must not hide among comparisons.
  return (a.data as Float32Array).reduce((most, value, i) => Math.max(most, Math.abs(value - (other[i] as number))), 0);
}
