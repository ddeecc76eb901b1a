import { GraphError } from "../graph-error.js";
import { formatShape, knownDim, type Dim } from "../shape.js";
import type { Tensor } from "../tensor.js";
import { add, mul, scale } from "./elementwise.js";
import { matmul } from "./linear.js";
import { reshape } from "./reshape.js";

/** A low-rank change of a weight matrix (LoRA, Hu et al. 2021): W + factor · up · down. */
export interface LowRank {
  /** A, float32[r, in] */
  readonly down: Tensor;
  /** B, float32[out, r] */
  readonly up: Tensor;
  /** alpha / r */
  readonly factor: number;
  readonly dropout?: LowRankDropout;
}

/**
 * Dropout of the input of `down`: element (i, j) is dropped where the fraction of rows[i] + columns[j] lies below `rate`,
 * the others grow by 1/(1 - rate). With uniform rows and columns any two elements drop independently, and the numbers are
 * inputs, so a pass can be repeated with the same mask and a run resumed.
 */
export interface LowRankDropout {
  /** In [0, 1). */
  readonly rate: number;
  /** float32[in], uniform in [0, 1) */
  readonly columns: Tensor;
  /** Gives float32[rows, 1], uniform in [0, 1), for an input of so many rows. */
  readonly rows: (count: number) => Tensor;
}

/** The parts of weights made here, so that `linear` may go through the low rank instead of making the sum. */
const parts = new WeakMap<Tensor, { readonly weight: Tensor; readonly change: LowRank }>();

/**
 * The matrix W + factor · up · down. A `linear` over it computes x Wᵀ + factor (x downᵀ) upᵀ, so that W's gradient is never
 * needed; only there does dropout act. Anything else that reads it gets the sum.
 * @param weight float32[out, in]
 */
export function lowRankSum(weight: Tensor, change: LowRank): Tensor {
  const { down, up, factor } = change;
  const [out, inWidth] = weight.shape;
  if (weight.shape.length !== 2 || down.shape[1] !== inWidth || up.shape[0] !== out || down.shape[0] !== up.shape[1]) {
    throw new GraphError(`lowRankSum: ${formatShape(up.shape)} times ${formatShape(down.shape)} does not fit "${weight.name}" ${formatShape(weight.shape)}`);
  }
  const sum = add(weight, scale(matmul(up, down), factor));
  parts.set(sum, { weight, change });
  return sum;
}

/** The weight and the change that a sum was made of. */
export function lowRankParts(weight: Tensor): { readonly weight: Tensor; readonly change: LowRank } | undefined {
  return parts.get(weight);
}

/** x with the elements dropped that the change asks for. */
export function withDropout(x: Tensor, { dropout }: LowRank): Tensor {
  if (!dropout || dropout.rate === 0) return x;
  const { graph } = x;
  const width = x.shape.at(-1) as Dim;
  const rows = x.shape.slice(0, -1).reduce<number>((count, dim) => count * knownDim(dim, "withDropout"), 1);
  const shape = [rows, width];
  const sums = graph.node1("Add", [dropout.rows(rows), dropout.columns], { shape });
  const fractions = graph.node1("Sub", [sums, graph.node1("Floor", [sums], { shape })], { shape });
  const keeps = graph.node1("GreaterOrEqual", [fractions, graph.scalar(dropout.rate)], { dtype: "bool", shape });
  const mask = graph.node1("Where", [keeps, graph.scalar(1 / (1 - dropout.rate)), graph.scalar(0)], { shape });
  return reshape(mul(reshape(x, shape), mask), x.shape);
}
