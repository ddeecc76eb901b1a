import { GraphError } from "./graph-error.js";

/** One dimension: a number known when the graph is built, or the name of one known only when it runs (`"B"`). */
export type Dim = number | string;
/** Dimensions, outermost first. */
export type Shape = readonly Dim[];

/** `[B, 729, 1152]`, for messages. */
export function formatShape(shape: Shape): string {
  return `[${shape.join(", ")}]`;
}

/** The number of elements of a shape that is known in full; throws GraphError on a symbolic dimension. */
export function elementCount(shape: Shape): number {
  let count = 1;
  for (const dim of shape) count *= knownDim(dim, "elementCount");
  return count;
}

/** A dimension that must be known when the graph is built; throws GraphError naming the caller otherwise. */
export function knownDim(dim: Dim | undefined, caller: string): number {
  if (typeof dim === "number") return dim;
  throw new GraphError(`${caller}: expected a dimension known at build time, got ${dim ?? "none"}`);
}

/** The axis counted from the front; throws GraphError when it lies outside. */
export function normalizeAxis(axis: number, rank: number, caller: string): number {
  const normalized = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(axis) || normalized < 0 || normalized >= rank) {
    throw new GraphError(`${caller}: expected an axis in [${-rank}, ${rank - 1}], got ${axis}`);
  }
  return normalized;
}

/** NumPy broadcasting of two shapes; a symbolic dimension only meets itself or 1. */
export function broadcastShapes(a: Shape, b: Shape, caller: string): Shape {
  const rank = Math.max(a.length, b.length);
  const result: Dim[] = [];
  for (let i = 0; i < rank; i++) {
    const x = a[a.length - rank + i] ?? 1;
    const y = b[b.length - rank + i] ?? 1;
    if (x !== y && x !== 1 && y !== 1) {
      throw new GraphError(`${caller}: shapes ${formatShape(a)} and ${formatShape(b)} do not broadcast (${x} against ${y})`);
    }
    result.push(x === 1 ? y : x);
  }
  return result;
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((dim, i) => dim === b[i]);
}
