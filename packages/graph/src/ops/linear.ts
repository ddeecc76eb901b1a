import { GraphError } from "../graph-error.js";
import { broadcastShapes, formatShape, type Dim, type Shape } from "../shape.js";
import type { Tensor } from "../tensor.js";
import { add, scale } from "./elementwise.js";
import { lowRankParts, withDropout } from "./low-rank.js";
import { reduceSum, sumTo } from "./reduce.js";
import { multiplyDims, reshape } from "./reshape.js";

interface MatmulOptions {
  /** Read a with its last two axes swapped. */
  readonly transposeA?: boolean;
  /** Read b with its last two axes swapped. */
  readonly transposeB?: boolean;
  /** Factor on the product. */
  readonly alpha?: number;
}

/**
 * The matrix product over the last two axes, leading axes broadcast: alpha · op(a) op(b).
 * A transposed or scaled product is com.microsoft FusedMatMul, which spares the transposed copy.
 */
export function matmul(a: Tensor, b: Tensor, options: MatmulOptions = {}): Tensor {
  const { transposeA = false, transposeB = false, alpha = 1 } = options;
  const [m, k] = lastTwo(a, transposeA);
  const [k2, n] = lastTwo(b, transposeB);
  if (k !== k2) {
    throw new GraphError(
      `matmul: inner dimensions differ: ${formatShape(a.shape)}${transposeA ? "ᵀ" : ""} against ${formatShape(b.shape)}${transposeB ? "ᵀ" : ""}`,
    );
  }
  const shape = [...broadcastShapes(a.shape.slice(0, -2), b.shape.slice(0, -2), "matmul"), m, n];
  const fused = transposeA || transposeB || alpha !== 1;
  const y = fused
    ? a.graph.node1(
        "FusedMatMul",
        [a, b],
        { shape },
        { transA: transposeA ? 1 : 0, transB: transposeB ? 1 : 0, alpha: { float: alpha } },
        "com.microsoft",
      )
    : a.graph.node1("MatMul", [a, b], { shape });
  return a.graph.record(y, [a, b], (d) => {
    const da = transposeA
      ? matmul(b, d, { transposeA: transposeB, transposeB: true, alpha })
      : matmul(d, b, { transposeB: !transposeB, alpha });
    const db = transposeB
      ? matmul(d, a, { transposeA: true, transposeB: transposeA, alpha })
      : matmul(a, d, { transposeA: !transposeA, alpha });
    return [sumTo(da, a.shape), sumTo(db, b.shape)];
  });
}

function lastTwo(x: Tensor, swapped: boolean): [Dim, Dim] {
  const rows = x.shape.at(-2);
  const columns = x.shape.at(-1);
  if (rows === undefined || columns === undefined) {
    throw new GraphError(`matmul: expected at least two dimensions, got ${formatShape(x.shape)}`);
  }
  return swapped ? [columns, rows] : [rows, columns];
}

/**
 * x Wᵀ + b over the last axis, with W stored as PyTorch's Linear stores it.
 * Weights go in as they lie in the file: Gemm reads them transposed, so nothing is copied on load. A weight made by
 * `lowRankSum` is not summed.
 * @param x float32[..., in]
 * @param weight float32[out, in]
 * @param bias float32[out]
 * @returns float32[..., out]
 */
export function linear(x: Tensor, weight: Tensor, bias?: Tensor): Tensor {
  const [outWidth, inWidth] = weight.shape;
  const width = x.shape.at(-1);
  if (weight.shape.length !== 2 || outWidth === undefined || inWidth !== width) {
    throw new GraphError(`linear: "${weight.name}" ${formatShape(weight.shape)} does not fit an input ${formatShape(x.shape)}`);
  }
  if (bias && (bias.shape.length !== 1 || bias.shape[0] !== outWidth)) {
    throw new GraphError(`linear: "${bias.name}" expected [${outWidth}], got ${formatShape(bias.shape)}`);
  }
  const parts = lowRankParts(weight);
  if (parts) {
    const { down, up, factor } = parts.change;
    return add(linear(x, parts.weight, bias), scale(linear(linear(withDropout(x, parts.change), down), up), factor));
  }
  const rows = multiplyDims(...x.shape.slice(0, -1));
  const rows2d: Shape = [rows, inWidth as Dim];
  const x2 = reshape(x, rows2d);
  const y2 = x.graph.node1("Gemm", bias ? [x2, weight, bias] : [x2, weight], { shape: [rows, outWidth] }, { transB: 1 });
  x.graph.record(y2, bias ? [x2, weight, bias] : [x2, weight], (d) => {
    const dx = x.graph.node1("Gemm", [d, weight], { shape: rows2d });
    const dWeight = x.graph.node1("Gemm", [d, x2], { shape: weight.shape }, { transA: 1 });
    return bias ? [dx, dWeight, reduceSum(d, [0])] : [dx, dWeight];
  });
  return reshape(y2, [...x.shape.slice(0, -1), outWidth]);
}
