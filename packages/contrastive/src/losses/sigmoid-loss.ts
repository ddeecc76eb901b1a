import { add, exp, GraphError, formatShape, l2Normalize, matmul, mul, neg, reduceSum, scale, softplus, type Tensor } from "@sightline/graph";
import { expectSelection, type NegativeSelection } from "./pair-loss.js";

/** A logit that no negative has and no threshold reaches. */
const never = -1e9;

/**
 * The pairwise sigmoid loss (Zhai et al. 2023, eq. 1 and algorithm 1), as graph:
 * 1/N Σ_ij w_ij log(1 + exp(-y_ij (t x_i·y_j + b))), t = exp(t').
 * Each image–text pair is its own binary decision, so images and texts need not be equal in number and a text may be
 * true of several images.
 * @param imageEmbeddings float32[N, D], before normalisation
 * @param textEmbeddings float32[M, D], before normalisation
 * @param labels float32[N, M], w y: the weight of a match (1, or another), minus the weight of a negative, 0 for a pair
 * that does not count (see `denseLabels`)
 * @param logitScale t', float32[1]
 * @param logitBias b, float32[1]
 * @param negatives which of them count; the choice itself is not differentiated
 * @returns float32[]
 */
export function sigmoidLoss(
  imageEmbeddings: Tensor,
  textEmbeddings: Tensor,
  labels: Tensor,
  logitScale: Tensor,
  logitBias: Tensor,
  negatives: NegativeSelection = {},
): Tensor {
  const images = expectLabels("sigmoidLoss", imageEmbeddings, textEmbeddings, labels);
  expectSelection("sigmoidLoss", negatives);
  const { graph } = imageEmbeddings;
  const cosines = matmul(l2Normalize(imageEmbeddings), l2Normalize(textEmbeddings), { transposeB: true });
  const logits = add(mul(cosines, exp(logitScale)), logitBias);
  const signs = graph.node1("Sign", [labels], { shape: labels.shape });
  const weights = graph.node1("Abs", [labels], { shape: labels.shape });
  const losses = mul(softplus(neg(mul(logits, signs))), select(weights, labels, logits, cosines, negatives));
  return scale(reduceSum(losses), 1 / images);
}

/** N, where labels are float32[N, M] of these embeddings. */
export function expectLabels(caller: string, imageEmbeddings: Tensor, textEmbeddings: Tensor, labels: Tensor): number {
  const [images] = imageEmbeddings.shape;
  const [texts] = textEmbeddings.shape;
  if (labels.shape.length !== 2 || labels.shape[0] !== images || labels.shape[1] !== texts || typeof images !== "number") {
    throw new GraphError(`${caller}: expected labels [${images}, ${texts}], got ${formatShape(labels.shape)}`);
  }
  return images;
}

/** The weights with 0 where the selection leaves a negative out. */
function select(weights: Tensor, labels: Tensor, logits: Tensor, cosines: Tensor, { hardest, maxCosine }: NegativeSelection): Tensor {
  if (hardest === undefined && maxCosine === undefined) return weights;
  const { graph, shape } = labels;
  const compare = (op: string, a: Tensor, b: Tensor): Tensor => graph.node1(op, [a, b], { dtype: "bool", shape });
  const where = (condition: Tensor, a: Tensor, b: Tensor): Tensor => graph.node1("Where", [condition, a, b], { shape });
  let candidates = where(compare("Less", labels, graph.scalar(0)), logits, graph.scalar(never));
  if (maxCosine !== undefined) candidates = where(compare("Greater", cosines, graph.scalar(maxCosine)), graph.scalar(never), candidates);
  let kept = compare("Greater", candidates, graph.scalar(never));
  if (hardest !== undefined && hardest < Number(shape[1])) {
    const [largest] = graph.node("TopK", [candidates, graph.int64s([hardest])], [{ shape: [shape[0] ?? 0, hardest] }, { dtype: "int64", shape: [shape[0] ?? 0, hardest] }]);
    const last = graph.node1("ReduceMin", [largest, graph.int64s([1])], { shape: [shape[0] ?? 0, 1] }, { keepdims: 1 });
    kept = compare("And", kept, compare("GreaterOrEqual", candidates, last));
  }
  const matches = compare("Greater", labels, graph.scalar(0));
  return where(compare("Or", kept, matches), weights, graph.scalar(0));
}
