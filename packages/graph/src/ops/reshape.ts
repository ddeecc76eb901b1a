import { GraphError } from "../graph-error.js";
import { formatShape, knownDim, normalizeAxis, sameShape, type Dim, type Shape } from "../shape.js";
import type { Tensor } from "../tensor.js";

/** Reshapes by tensor and shape: query, key and value all ask for the same rows of one tensor. */
const reshaped = new WeakMap<Tensor, Map<string, Tensor>>();

/**
 * The same elements in another shape. At most one dimension may be symbolic; it must be the one that both shapes share.
 * Throws GraphError when the element counts differ.
 */
export function reshape(x: Tensor, shape: Shape): Tensor {
  if (sameShape(x.shape, shape)) return x;
  const symbols = shape.filter((dim) => typeof dim === "string");
  if (symbols.length > 1 || !countsAgree(x.shape, shape)) {
    throw new GraphError(`reshape: ${formatShape(x.shape)} does not fit ${formatShape(shape)}`);
  }
  const known = reshaped.get(x) ?? new Map<string, Tensor>();
  reshaped.set(x, known);
  const key = formatShape(shape);
  let y = known.get(key);
  if (!y) {
    const dims = x.graph.int64s(shape.map((dim) => (typeof dim === "string" ? -1 : dim)));
    y = x.graph.record(x.graph.node1("Reshape", [x, dims], { dtype: x.dtype, shape }), [x], (d) => [reshape(d, x.shape)]);
    known.set(key, y);
  }
  return y;
}

/** Symbolic products ("B*729") compare by their factors, so that [B, 729, D] may become [B*729, D] and return. */
function countsAgree(a: Shape, b: Shape): boolean {
  const factors = (shape: Shape): { known: number; names: string } => {
    let known = 1;
    const names: string[] = [];
    for (const dim of shape) {
      for (const factor of typeof dim === "number" ? [dim] : dim.split("*")) {
        if (typeof factor === "number") known *= factor;
        else if (/^\d+$/.test(factor)) known *= Number(factor);
        else names.push(factor);
      }
    }
    return { known, names: names.sort().join("*") };
  };
  const left = factors(a);
  const right = factors(b);
  return left.known === right.known && left.names === right.names;
}

/** The product of dimensions, symbolic where one of them is: `B`, 729 -> `"B*729"`. */
export function multiplyDims(...dims: readonly Dim[]): Dim {
  let known = 1;
  const names: string[] = [];
  for (const dim of dims) {
    if (typeof dim === "number") known *= dim;
    else names.push(dim);
  }
  if (names.length === 0) return known;
  return known === 1 ? names.join("*") : `${names.join("*")}*${known}`;
}

/** The axes of x in the order `permutation`. */
export function transpose(x: Tensor, permutation: readonly number[]): Tensor {
  const sorted = [...permutation].sort((a, b) => a - b);
  if (permutation.length !== x.shape.length || sorted.some((axis, i) => axis !== i)) {
    throw new GraphError(`transpose: [${permutation.join(", ")}] does not permute the axes of ${formatShape(x.shape)}`);
  }
  const shape = permutation.map((axis) => x.shape[axis] as Dim);
  const y = x.graph.node1("Transpose", [x], { dtype: x.dtype, shape }, { perm: permutation });
  const inverse = permutation.map((_, i) => permutation.indexOf(i));
  return x.graph.record(y, [x], (d) => [transpose(d, inverse)]);
}

/** Tensors joined along `axis`; all other dimensions must agree. */
export function concat(tensors: readonly Tensor[], axis: number): Tensor {
  const first = tensors[0];
  if (!first) throw new GraphError("concat: expected at least one tensor, got none");
  const at = normalizeAxis(axis, first.shape.length, "concat");
  let total = 0;
  const bounds = tensors.map((tensor) => {
    if (tensor.shape.length !== first.shape.length || tensor.shape.some((dim, i) => i !== at && dim !== first.shape[i])) {
      throw new GraphError(`concat: ${formatShape(tensor.shape)} does not join ${formatShape(first.shape)} along axis ${at}`);
    }
    const start = total;
    total += knownDim(tensor.shape[at], "concat");
    return [start, total] as const;
  });
  const shape = first.shape.map((dim, i) => (i === at ? total : dim));
  const y = first.graph.node1("Concat", tensors, { dtype: first.dtype, shape }, { axis: at });
  return first.graph.record(y, tensors, (d) => bounds.map(([start, end]) => slice(d, at, start, end)));
}

/** The elements start <= i < end along `axis`; the axis' dimension must be known. */
export function slice(x: Tensor, axis: number, start: number, end: number): Tensor {
  const at = normalizeAxis(axis, x.shape.length, "slice");
  const length = knownDim(x.shape[at], "slice");
  if (!(start >= 0 && start < end && end <= length)) {
    throw new GraphError(`slice: expected 0 <= start < end <= ${length}, got ${start} and ${end}`);
  }
  if (start === 0 && end === length) return x;
  const { graph } = x;
  const shape = x.shape.map((dim, i) => (i === at ? end - start : dim));
  const inputs = [x, graph.int64s([start]), graph.int64s([end]), graph.int64s([at])];
  const y = graph.node1("Slice", inputs, { dtype: x.dtype, shape });
  return graph.record(y, [x], (d) => {
    const pads = [...x.shape.map((_, i) => (i === at ? start : 0)), ...x.shape.map((_, i) => (i === at ? length - end : 0))];
    return [graph.node1("Pad", [d, graph.int64s(pads)], { dtype: x.dtype, shape: x.shape })];
  });
}

/** x after `count` zeros along `axis`, whose dimension must be known. */
export function padFront(x: Tensor, axis: number, count: number): Tensor {
  const at = normalizeAxis(axis, x.shape.length, "padFront");
  const length = knownDim(x.shape[at], "padFront");
  if (!Number.isInteger(count) || count < 0) throw new GraphError(`padFront: expected a count of at least 0, got ${count}`);
  if (count === 0) return x;
  const pads = [...x.shape.map((_, i) => (i === at ? count : 0)), ...x.shape.map(() => 0)];
  const shape = x.shape.map((dim, i) => (i === at ? length + count : dim));
  const y = x.graph.node1("Pad", [x, x.graph.int64s(pads)], { dtype: x.dtype, shape });
  return x.graph.record(y, [x], (d) => [slice(d, at, count, count + length)]);
}
