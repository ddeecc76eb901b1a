import { castFloat, type FloatDtype } from "../ops/cast.js";
import { reshape, transpose } from "../ops/reshape.js";
import type { Dim, Shape } from "../shape.js";
import type { Node, Tensor } from "../tensor.js";

/**
 * FusedMatMul in nodes that WebGPU has: its provider has none for FusedMatMul (1.30.0), and a node on the CPU costs two
 * copies of its data.
 */
export function plainMatMul(node: Node, copyOf: (tensor: Tensor) => Tensor): Tensor {
  const [a, b] = node.inputs.map((input) => copyOf(input as Tensor)) as [Tensor, Tensor];
  const { transA = 0, transB = 0, alpha } = node.attributes;
  const result = product(transA === 1 ? lastTwoSwapped(a) : a, transB === 1 ? lastTwoSwapped(b) : b, node.outputs[0]?.shape ?? []);
  const factor = typeof alpha === "object" && "float" in alpha ? alpha.float : 1;
  return factor === 1 ? result : scaled(result, factor);
}

/**
 * MultiHeadAttention in plain nodes: softmax(q kᵀ / sqrt(D/A) + bias) v. The softmax is in float32 where the rest is in
 * float16.
 */
export function plainAttention(node: Node, copyOf: (tensor: Tensor) => Tensor): Tensor {
  const [q, k, v] = node.inputs.slice(0, 3).map((input) => copyOf(input as Tensor)) as [Tensor, Tensor, Tensor];
  const bias = node.inputs[5];
  const heads = node.attributes["num_heads"] as number;
  const headWidth = (q.shape.at(-1) as number) / heads;
  const split = (x: Tensor, order: readonly number[]): Tensor => transpose(reshape(x, [x.shape[0] as Dim, x.shape[1] as Dim, heads, headWidth]), order);
  const queries = scaled(split(q, [0, 2, 1, 3]), 1 / Math.sqrt(headWidth));
  const keys = split(k, [0, 2, 3, 1]);
  const scoresShape = [q.shape[0] as Dim, heads, q.shape[1] as Dim, k.shape[1] as Dim];
  const scores = castFloat(product(queries, keys, scoresShape), "float32");
  const { graph } = q;
  const biased = bias ? graph.node1("Add", [scores, castFloat(copyOf(bias), "float32")], { shape: scoresShape }) : scores;
  const shares = castFloat(graph.node1("Softmax", [biased], { shape: scoresShape }, { axis: -1 }), v.dtype as FloatDtype);
  const attended = product(shares, split(v, [0, 2, 1, 3]), [q.shape[0] as Dim, heads, q.shape[1] as Dim, headWidth]);
  return reshape(transpose(attended, [0, 2, 1, 3]), q.shape);
}

function product(a: Tensor, b: Tensor, shape: Shape): Tensor {
  return a.graph.node1("MatMul", [a, b], { dtype: a.dtype, shape });
}

function lastTwoSwapped(x: Tensor): Tensor {
  const rank = x.shape.length;
  return transpose(x, [...x.shape.keys()].map((axis) => (axis === rank - 1 ? rank - 2 : axis === rank - 2 ? rank - 1 : axis)));
}

function scaled(x: Tensor, factor: number): Tensor {
  return x.graph.node1("Mul", [x, castFloat(x.graph.scalar(factor), x.dtype as FloatDtype)], { dtype: x.dtype, shape: x.shape });
}
