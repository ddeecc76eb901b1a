import { GraphError } from "../graph-error.js";
import { formatShape, knownDim, type Dim } from "../shape.js";
import type { Tensor } from "../tensor.js";
import { add } from "./elementwise.js";
import { matmul } from "./linear.js";
import { reshape, transpose } from "./reshape.js";
import { softmax } from "./softmax.js";

export interface AttentionOptions {
  /** Heads of the queries, A. */
  readonly heads: number;
  /** float32[Tq, Tk] or broadcastable to [B, A, Tq, Tk], added to the scaled scores: 0 to keep, a large negative to hide. */
  readonly bias?: Tensor;
}

/**
 * Scaled dot-product attention of A heads (Vaswani et al. 2017, 3.2): softmax(q kᵀ / sqrt(D/A) + bias) v,
 * in nodes that can be differentiated.
 * @param q float32[B, Tq, D], or float32[1, Tq, D] for the same queries in every batch
 * @param k float32[B, Tk, D]
 * @param v float32[B, Tk, D]
 * @returns float32[B, Tq, D]
 */
export function attention(q: Tensor, k: Tensor, v: Tensor, options: AttentionOptions): Tensor {
  const width = expectAttentionShapes("attention", q, k, v, options.heads);
  const headWidth = width / options.heads;
  const split = (x: Tensor): Tensor => {
    const [batch, tokens] = x.shape as [Dim, Dim];
    return transpose(reshape(x, [batch, tokens, options.heads, headWidth]), [0, 2, 1, 3]);
  };
  const scores = matmul(split(q), split(k), { transposeB: true, alpha: 1 / Math.sqrt(headWidth) });
  const weights = softmax(options.bias ? add(scores, options.bias) : scores);
  // A query of batch 1 (the probe of a pooling head) meets every image of the batch.
  const batch = (q.shape[0] === 1 ? k.shape[0] : q.shape[0]) as Dim;
  return reshape(transpose(matmul(weights, split(v)), [0, 2, 1, 3]), [batch, q.shape[1] as Dim, width]);
}

/**
 * The same attention as one com.microsoft MultiHeadAttention node: faster, never materialises the scores on every
 * provider that fuses it, and not differentiable.
 */
export function fusedAttention(q: Tensor, k: Tensor, v: Tensor, options: { readonly heads: number }): Tensor {
  expectAttentionShapes("fusedAttention", q, k, v, options.heads);
  return q.graph.node1("MultiHeadAttention", [q, k, v], { shape: q.shape }, { num_heads: options.heads }, "com.microsoft");
}

function expectAttentionShapes(caller: string, q: Tensor, k: Tensor, v: Tensor, heads: number): number {
  const width = knownDim(q.shape.at(-1), caller);
  if (q.shape.length !== 3 || k.shape.at(-1) !== width || formatShape(k.shape) !== formatShape(v.shape) || width % heads !== 0) {
    throw new GraphError(
      `${caller}: expected q [B, Tq, D] and k, v [B, Tk, D] with D divisible by ${heads} heads, got ${formatShape(q.shape)}, ${formatShape(k.shape)}, ${formatShape(v.shape)}`,
    );
  }
  return width;
}
