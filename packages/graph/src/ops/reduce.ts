import { GraphError } from "../graph-error.js";
import { elementCount, formatShape, normalizeAxis, sameShape, type Dim, type Shape } from "../shape.js";
import type { Tensor } from "../tensor.js";
import { broadcastTo, scale } from "./elementwise.js";
import { reshape } from "./reshape.js";

function reduced(shape: Shape, axes: readonly number[], keepDims: boolean): Shape {
  const kept: Dim[] = [];
  shape.forEach((dim, i) => {
    if (!axes.includes(i)) kept.push(dim);
    else if (keepDims) kept.push(1);
  });
  return kept;
}

/** The sum over `axes` (all of them when left out). Differentiable where the shape is known in full. */
export function reduceSum(x: Tensor, axes?: readonly number[], keepDims = false): Tensor {
  const over = (axes ?? x.shape.map((_, i) => i)).map((axis) => normalizeAxis(axis, x.shape.length, "reduceSum"));
  if (over.length === 0) return x;
  const shape = reduced(x.shape, over, keepDims);
  const y = x.graph.node1("ReduceSum", [x, x.graph.int64s(over)], { dtype: x.dtype, shape }, { keepdims: keepDims ? 1 : 0 });
  return x.graph.record(y, [x], (d) => [broadcastTo(reshape(d, reduced(x.shape, over, true)), x.shape)]);
}

/** The mean over `axes` (all of them when left out); their dimensions must be known. */
export function reduceMean(x: Tensor, axes?: readonly number[], keepDims = false): Tensor {
  const over = axes ?? x.shape.map((_, i) => i);
  const count = elementCount(over.map((axis) => x.shape[normalizeAxis(axis, x.shape.length, "reduceMean")] ?? 1));
  return scale(reduceSum(x, over, keepDims), 1 / count);
}

/** Undoes broadcasting: sums x over the dimensions that `shape` lacks or has as 1. */
export function sumTo(x: Tensor, shape: Shape): Tensor {
  if (sameShape(x.shape, shape)) return x;
  const lead = x.shape.length - shape.length;
  if (lead < 0) throw new GraphError(`sumTo: ${formatShape(x.shape)} cannot be summed to ${formatShape(shape)}`);
  const axes = x.shape.flatMap((dim, i) => (i < lead || (shape[i - lead] === 1 && dim !== 1) ? [i] : []));
  return reshape(reduceSum(x, axes, true), shape);
}
