import { GraphError } from "../graph-error.js";
import { formatShape, knownDim, type Dim } from "../shape.js";
import type { Tensor } from "../tensor.js";
import { matmul } from "./linear.js";
import { reshape } from "./reshape.js";

/** ONNX's number for float32, as the attribute of a Cast. */
const onnxFloat = 1;

/**
 * Where each row first holds an id; 0 where it does not.
 * @param ids int64[B, T]
 * @returns int64[B]
 */
export function firstPlaceOf(ids: Tensor, id: number): Tensor {
  expectIds("firstPlaceOf", ids);
  const { graph } = ids;
  return argMax(graph.node1("Equal", [ids, graph.int64s([id])], { dtype: "bool", shape: ids.shape }));
}

/**
 * Where the largest id of each row first stands.
 * @param ids int64[B, T], each below 2^24, so that float32 holds it
 * @returns int64[B]
 */
export function placeOfLargest(ids: Tensor): Tensor {
  expectIds("placeOfLargest", ids);
  return argMax(ids);
}

/**
 * One token of each sequence.
 * @param x float32[B, T, D]
 * @param places int64[B], each in [0, T)
 * @returns float32[B, D]
 */
export function tokensAt(x: Tensor, places: Tensor): Tensor {
  const [batch, tokens, width] = x.shape as [Dim, Dim, Dim];
  if (x.shape.length !== 3 || places.shape.length !== 1 || places.shape[0] !== batch) {
    throw new GraphError(`tokensAt: expected tokens [B, T, D] and places [B], got ${formatShape(x.shape)} and ${formatShape(places.shape)}`);
  }
  const { graph } = x;
  const count = knownDim(tokens, "tokensAt");
  const column = graph.node1("Unsqueeze", [places, graph.int64s([1])], { dtype: "int64", shape: [batch, 1] });
  const here = graph.node1("Equal", [column, graph.int64s(Array.from({ length: count }, (_, i) => i))], { dtype: "bool", shape: [batch, count] });
  // A product with a row of one 1 and zeros picks a token exactly, and can be differentiated.
  const chosen = matmul(reshape(asFloats(here), [batch, 1, count]), x);
  return reshape(chosen, [batch, width]);
}

function argMax(x: Tensor): Tensor {
  // Of equal values the first counts. Floats, because not every provider takes the largest of int64.
  return x.graph.node1("ArgMax", [asFloats(x)], { dtype: "int64", shape: [x.shape[0] as Dim] }, { axis: 1, keepdims: 0 });
}

function asFloats(x: Tensor): Tensor {
  return x.graph.node1("Cast", [x], { shape: x.shape }, { to: onnxFloat });
}

function expectIds(caller: string, ids: Tensor): void {
  if (ids.dtype !== "int64" || ids.shape.length !== 2) throw new GraphError(`${caller}: expected int64 ids [B, T], got ${ids.dtype}${formatShape(ids.shape)}`);
}
