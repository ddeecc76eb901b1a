import { add, exp, l2Normalize, log, matmul, mul, neg, reduceSum, scale, sub, type Tensor } from "@sightline/graph";
import { expectLabels } from "./sigmoid-loss.js";

/** What is added to a logit that does not count. */
const hidden = -1e9;

/**
 * The softmax loss of CLIP (Radford et al. 2021, figure 3; InfoNCE), as graph, the baseline of the sigmoid loss:
 * ½ mean over images of -Σ_j q_ij log softmax_j(l_ij) + ½ the same over texts, with l = exp(t') x·y and q the weights
 * of an image's (a text's) matches, made to add up to 1. Images and texts without a match are left out of the means;
 * a negative of weight w counts w times in the denominators.
 * @param imageEmbeddings float32[N, D], before normalisation
 * @param textEmbeddings float32[M, D], before normalisation
 * @param labels float32[N, M], as `sigmoidLoss` takes them
 * @param logitScale t', float32[1]
 * @returns float32[]
 */
export function softmaxLoss(imageEmbeddings: Tensor, textEmbeddings: Tensor, labels: Tensor, logitScale: Tensor): Tensor {
  expectLabels("softmaxLoss", imageEmbeddings, textEmbeddings, labels);
  const { graph } = imageEmbeddings;
  const cosines = matmul(l2Normalize(imageEmbeddings), l2Normalize(textEmbeddings), { transposeB: true });
  const logits = mul(cosines, exp(logitScale));
  const shape = labels.shape;
  const zero = graph.scalar(0);
  const matches = graph.node1("Relu", [labels], { shape });
  const negatives = graph.node1("Less", [labels, zero], { dtype: "bool", shape });
  const logWeights = graph.node1("Log", [graph.node1("Where", [negatives, graph.node1("Neg", [labels], { shape }), graph.scalar(1)], { shape })], { shape });
  const excluded = graph.node1("Equal", [labels, zero], { dtype: "bool", shape });
  const counted = add(logits, graph.node1("Where", [excluded, graph.scalar(hidden), logWeights], { shape }));
  return scale(add(direction(counted, logits, matches, 1), direction(counted, logits, matches, 0)), 0.5);
}

/** The mean cross-entropy over one axis: 1 to choose among the texts, 0 among the images. */
function direction(counted: Tensor, logits: Tensor, matches: Tensor, axis: 0 | 1): Tensor {
  const { graph } = logits;
  const totals = reduceSum(matches, [axis], true);
  const shape = totals.shape;
  const has = graph.node1("Cast", [graph.node1("Greater", [totals, graph.scalar(0)], { dtype: "bool", shape })], { shape }, { to: 1 });
  const shares = graph.node1("Div", [has, graph.node1("Max", [reduceSum(has), graph.scalar(1)], { shape: [] })], { shape });
  const targets = graph.node1("Div", [matches, graph.node1("Max", [totals, graph.scalar(1e-30)], { shape })], { shape: matches.shape });
  // The largest logit only keeps exp from overflowing; the result does not depend on it, so no gradient runs through it.
  const largest = graph.node1("ReduceMax", [counted, graph.int64s([axis])], { shape }, { keepdims: 1 });
  const logSum = add(log(reduceSum(exp(sub(counted, largest)), [axis], true)), largest);
  const entropies = add(logSum, neg(reduceSum(mul(logits, targets), [axis], true)));
  return reduceSum(mul(entropies, shares));
}
