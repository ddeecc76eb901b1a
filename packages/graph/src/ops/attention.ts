import { GraphError } from "../graph-error.js";
import { formatShape, knownDim, type Dim } from "../shape.js";
import type { Tensor } from "../tensor.js";
import { add } from "./elementwise.js";
import { matmul } from "./linear.js";
import { reshape, transpose } from "./reshape.js";
import { softmax } from "./softmax.js";

/** Settings of `attention`. */
export interface AttentionOptions {
  /** Heads of the queries, A. */
  readonly heads: number;
  /** float32[Tq, Tk] or broadcastable to [B, A, Tq, Tk], added to the scaled scores: 0 to keep, a large negative to hide. */
  readonly bias?: Tensor;
  /** Heads of keys and values, each shared by A / K neighbouring queries' (Ainslie et al. 2023); A when left out. */
  readonly keyValueHeads?: number;
  /** Factor on the scores, 1 / sqrt(D/A) when left out. */
  readonly scale?: number;
}

/**
 * Scaled dot-product attention of A heads (Vaswani et al. 2017, 3.2): softmax(q kᵀ / sqrt(D/A) + bias) v,
 * in nodes that can be differentiated.
 * @param q float32[B, Tq, D], or float32[1, Tq, D] for the same queries in every batch
 * @param k float32[B, Tk, D], or float32[B, Tk, D·K/A] with K heads of its own
 * @param v as k
 * @returns float32[B, Tq, D]
 */
export function attention(q: Tensor, k: Tensor, v: Tensor, options: AttentionOptions): Tensor {
  const { heads, keyValueHeads = heads } = options;
  if (keyValueHeads !== heads) return groupedAttention(q, k, v, { ...options, keyValueHeads });
  const width = expectAttentionShapes("attention", q, k, v, options.heads);
  const headWidth = width / options.heads;
  const split = (x: Tensor): Tensor => {
    const [batch, tokens] = x.shape as [Dim, Dim];
    return transpose(reshape(x, [batch, tokens, options.heads, headWidth]), [0, 2, 1, 3]);
  };
  const scores = matmul(split(q), split(k), { transposeB: true, alpha: options.scale ?? 1 / Math.sqrt(headWidth) });
  const weights = softmax(options.bias ? add(scores, options.bias) : scores);
  // A query of batch 1 (the probe of a pooling head) meets every image of the batch.
  const batch = (q.shape[0] === 1 ? k.shape[0] : q.shape[0]) as Dim;
  return reshape(transpose(matmul(weights, split(v)), [0, 2, 1, 3]), [batch, q.shape[1] as Dim, width]);
}

/** The queries that share a key head are its rows, one head's after the other, so that nothing of k or v is repeated. */
function groupedAttention(q: Tensor, k: Tensor, v: Tensor, { heads, keyValueHeads, bias, scale }: AttentionOptions & { readonly keyValueHeads: number }): Tensor {
  const width = knownDim(q.shape.at(-1), "attention");
  const headWidth = width / heads;
  const [batch, queries] = q.shape as [Dim, number];
  const keys = k.shape[1] as number;
  if (heads % keyValueHeads !== 0 || k.shape[0] !== batch || k.shape[2] !== headWidth * keyValueHeads || formatShape(k.shape) !== formatShape(v.shape)) {
    throw new GraphError(`attention: expected k and v [${batch}, Tk, ${headWidth * keyValueHeads}] for ${heads} heads of q ${formatShape(q.shape)} over ${keyValueHeads}, got ${formatShape(k.shape)} and ${formatShape(v.shape)}`);
  }
  const split = (x: Tensor, tokens: number, count: number): Tensor => transpose(reshape(x, [batch, tokens, count, headWidth]), [0, 2, 1, 3]);
  const rows = (heads / keyValueHeads) * queries;
  const grouped = reshape(split(q, queries, heads), [batch, keyValueHeads, rows, headWidth]);
  const scores = reshape(matmul(grouped, split(k, keys, keyValueHeads), { transposeB: true, alpha: scale ?? 1 / Math.sqrt(headWidth) }), [batch, heads, queries, keys]);
  const weights = reshape(softmax(bias ? add(scores, bias) : scores), [batch, keyValueHeads, rows, keys]);
  const attended = reshape(matmul(weights, split(v, keys, keyValueHeads)), [batch, heads, queries, headWidth]);
  return reshape(transpose(attended, [0, 2, 1, 3]), [batch, queries, width]);
}

/** Settings of `fusedAttention`. */
export interface FusedAttentionOptions {
  /** Heads of the queries, A. */
  readonly heads: number;
  /** float32[B or 1, A or 1, Tq, Tk], added to the scaled scores; the node itself broadcasts no other dimension. */
  readonly bias?: Tensor;
}

/**
 * The same attention as one com.microsoft MultiHeadAttention node: faster, never materialises the scores on every
 * provider that fuses it, and not differentiable.
 */
export function fusedAttention(q: Tensor, k: Tensor, v: Tensor, options: FusedAttentionOptions): Tensor {
  const { heads, bias } = options;
  expectAttentionShapes("fusedAttention", q, k, v, heads);
  if (bias) expectBiasShape(bias, [q.shape[0] as Dim, heads, q.shape[1] as Dim, k.shape[1] as Dim]);
  // Inputs 3 and 4 are a bias of the projections and a key mask, which not every provider takes.
  const inputs = bias ? [q, k, v, undefined, undefined, bias] : [q, k, v];
  return q.graph.node1("MultiHeadAttention", inputs, { shape: q.shape }, { num_heads: heads }, "com.microsoft");
}

function expectBiasShape(bias: Tensor, [batch, heads, queries, keys]: readonly [Dim, Dim, Dim, Dim]): void {
  const [b, a, q, k] = bias.shape;
  if (bias.shape.length !== 4 || (b !== batch && b !== 1) || (a !== heads && a !== 1) || q !== queries || k !== keys) {
    throw new GraphError(`fusedAttention: expected a bias [${batch} or 1, ${heads} or 1, ${queries}, ${keys}], got ${formatShape(bias.shape)}`);
  }
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
