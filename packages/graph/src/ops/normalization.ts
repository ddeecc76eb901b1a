import { GraphError } from "../graph-error.js";
import { formatShape } from "../shape.js";
import type { Tensor } from "../tensor.js";
import { div, mul, shift, sqrt, sub } from "./elementwise.js";
import { reduceMean, reduceSum, sumTo } from "./reduce.js";

function expectWidth(caller: string, x: Tensor, ...vectors: readonly Tensor[]): void {
  for (const vector of vectors) {
    if (vector.shape.length !== 1 || vector.shape[0] !== x.shape.at(-1)) {
      throw new GraphError(`${caller}: "${vector.name}" ${formatShape(vector.shape)} does not fit ${formatShape(x.shape)}`);
    }
  }
}

/**
 * Layer normalisation over the last axis (Ba et al. 2016): (x - mean) / sqrt(var + epsilon) · gain + bias.
 * The node's second and third outputs carry the mean and 1/std, so the backward pass recomputes neither.
 * @param x float32[..., D]
 * @param gain float32[D]
 * @param bias float32[D]
 */
export function layerNorm(x: Tensor, gain: Tensor, bias: Tensor, epsilon: number): Tensor {
  expectWidth("layerNorm", x, gain, bias);
  const { graph } = x;
  const stats = [...x.shape.slice(0, -1), 1];
  const [y, mean, inverseStd] = graph.node(
    "LayerNormalization",
    [x, gain, bias],
    [{ shape: x.shape }, { shape: stats }, { shape: stats }],
    { axis: -1, epsilon: { float: epsilon } },
  ) as [Tensor, Tensor, Tensor];
  return graph.record(y, [x, gain, bias], (d) => {
    const normalized = mul(sub(x, mean), inverseStd);
    const dNormalized = mul(d, gain);
    const centred = sub(dNormalized, reduceMean(dNormalized, [-1], true));
    const along = mul(normalized, reduceMean(mul(dNormalized, normalized), [-1], true));
    return [mul(sub(centred, along), inverseStd), sumTo(mul(d, normalized), gain.shape), sumTo(d, bias.shape)];
  });
}

/**
 * Root-mean-square normalisation over the last axis (Zhang & Sennrich 2019): x / sqrt(mean(x²) + epsilon) · gain.
 * @param x float32[..., D]
 * @param gain float32[D]
 */
export function rmsNorm(x: Tensor, gain: Tensor, epsilon: number): Tensor {
  expectWidth("rmsNorm", x, gain);
  const { graph } = x;
  const stats = [...x.shape.slice(0, -1), 1];
  const [y, inverseRms] = graph.node("SimplifiedLayerNormalization", [x, gain], [{ shape: x.shape }, { shape: stats }], {
    axis: -1,
    epsilon: { float: epsilon },
  }) as [Tensor, Tensor];
  return graph.record(y, [x, gain], (d) => {
    const normalized = mul(x, inverseRms);
    const dNormalized = mul(d, gain);
    const along = mul(normalized, reduceMean(mul(dNormalized, normalized), [-1], true));
    return [mul(sub(dNormalized, along), inverseRms), sumTo(mul(d, normalized), gain.shape)];
  });
}

/**
 * x / max(|x|, epsilon) over the last axis, as embeddings are normalised before a cosine.
 * @param x float32[..., D]
 */
export function l2Normalize(x: Tensor, epsilon = 1e-12): Tensor {
  return div(x, shift(sqrt(reduceSum(mul(x, x), [-1], true)), epsilon));
}

