import { add, exp, GraphError, formatShape, l2Normalize, matmul, mul, neg, reduceSum, scale, softplus, type Tensor } from "@sightline/graph";

/**
 * The pairwise sigmoid loss (Zhai et al. 2023, eq. 1 and algorithm 1), as graph:
 * 1/N Σ_ij log(1 + exp(-y_ij (t x_i·y_j + b))), t = exp(t').
 * Each image–text pair is its own binary decision, so images and texts need not be equal in number and a text may be
 * true of several images.
 * @param imageEmbeddings float32[N, D], before normalisation
 * @param textEmbeddings float32[M, D], before normalisation
 * @param labels float32[N, M]: +1 where the text is true of the image, -1 where not, 0 for a pair that does not count
 * @param logitScale t', float32[1]
 * @param logitBias b, float32[1]
 * @returns float32[]
 */
export function sigmoidLoss(imageEmbeddings: Tensor, textEmbeddings: Tensor, labels: Tensor, logitScale: Tensor, logitBias: Tensor): Tensor {
  const [images] = imageEmbeddings.shape;
  const [texts] = textEmbeddings.shape;
  if (labels.shape.length !== 2 || labels.shape[0] !== images || labels.shape[1] !== texts || typeof images !== "number") {
    throw new GraphError(`sigmoidLoss: expected labels [${images}, ${texts}], got ${formatShape(labels.shape)}`);
  }
  const { graph } = imageEmbeddings;
  const cosines = matmul(l2Normalize(imageEmbeddings), l2Normalize(textEmbeddings), { transposeB: true });
  const logits = add(mul(cosines, exp(logitScale)), logitBias);
  const counts = graph.node1("Abs", [labels], { shape: labels.shape });
  const losses = mul(softplus(neg(mul(logits, labels))), counts);
  return scale(reduceSum(losses), 1 / images);
}
