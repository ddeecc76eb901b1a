import { GraphError } from "../graph-error.js";
import { formatShape } from "../shape.js";
import type { Tensor } from "../tensor.js";
import { mul, sub } from "./elementwise.js";
import { reduceSum } from "./reduce.js";

/** exp(x) / sum exp(x) over the last axis. */
export function softmax(x: Tensor): Tensor {
  const y = x.graph.node1("Softmax", [x], { shape: x.shape }, { axis: -1 });
  return x.graph.record(y, [x], (d) => {
    const dy = mul(d, y);
    return [sub(dy, mul(y, reduceSum(dy, [-1], true)))];
  });
}

/**
 * The mean cross-entropy of a softmax over classes: -sum_i w_i log p_i[label_i] / sum_i w_i.
 * @param logits float32[M, V]
 * @param labels int64[M], each in [0, V)
 * @param weights float32[M]: 1 for a row that counts, 0 for one that does not
 * @returns float32[]
 */
export function softmaxCrossEntropy(logits: Tensor, labels: Tensor, weights: Tensor): Tensor {
  const rows = logits.shape[0];
  if (logits.shape.length !== 2 || labels.shape.length !== 1 || labels.shape[0] !== rows || weights.shape[0] !== rows) {
    throw new GraphError(
      `softmaxCrossEntropy: expected logits [M, V], labels [M], weights [M], got ${formatShape(logits.shape)}, ${formatShape(labels.shape)}, ${formatShape(weights.shape)}`,
    );
  }
  const { graph } = logits;
  const logProbabilities = graph.node1("LogSoftmax", [logits], { shape: logits.shape }, { axis: -1 });
  const column = graph.node1("Unsqueeze", [labels, graph.int64s([1])], { dtype: "int64", shape: [rows ?? 0, 1] });
  const picked = graph.node1("GatherElements", [logProbabilities, column], { shape: [rows ?? 0, 1] }, { axis: 1 });
  const flat = graph.node1("Squeeze", [picked, graph.int64s([1])], { shape: [rows ?? 0] });
  const total = graph.node1("Max", [reduceSum(weights), graph.scalar(1e-6)], { shape: [] });
  const share = graph.node1("Div", [weights, total], { shape: [rows ?? 0] });
  const loss = graph.node1("Neg", [reduceSum(mul(flat, share))], { shape: [] });
  return graph.record(loss, [logits], (d) => {
    const scaled = graph.node1("Unsqueeze", [mul(share, d), graph.int64s([1])], { shape: [rows ?? 0, 1] });
    const probabilities = graph.node1("Exp", [logProbabilities], { shape: logits.shape });
    const dProbabilities = mul(probabilities, scaled);
    const minus = graph.node1("Neg", [scaled], { shape: [rows ?? 0, 1] });
    const shape = logits.shape;
    return [
      graph.node1("ScatterElements", [dProbabilities, column, minus], { shape }, { axis: 1, reduction: "add" }),
    ];
  });
}
