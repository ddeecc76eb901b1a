import { add, Graph, scale, shift, type Tensor } from "@sightline/graph";
import { sigmoidLoss, trainableParameters, type TrainingGraph } from "@sightline/contrastive";
import { patchCount, siglipPatchTokens, siglipPooledEmbedding, siglipTextEmbedding } from "@sightline/vision-tower";
import { miniText, miniVision } from "./mini-config.js";
import { patchNameLoss } from "./patch-names.js";

/**
 * Weight of the sigmoid loss beside the patches'. Summed over an image's pairs (Zhai et al. 2023, algorithm 1) it starts
 * near 8, all of it the labels' frequencies, and would drown the other.
 */
const sigmoidShare = 0.25;

export interface TowerBatchShape {
  /** B, images. */
  readonly images: number;
  /** M, texts. */
  readonly texts: number;
  /** Patches of each image that are kept, of `patchCount(miniVision)`. */
  readonly patches: number;
  readonly vocabularySize: number;
}

/** uint8 pixel values as mini's towers see them: x / 127.5 - 1, which is mean and deviation 0.5. */
export function normalizedPatches(graph: Graph, images: number, patches: number): Tensor {
  const width = 3 * miniVision.patchSize ** 2;
  const bytes = graph.input("patches", "uint8", [images, patches, width]);
  const floats = graph.node1("Cast", [bytes], { shape: bytes.shape }, { to: 1 });
  return shift(scale(floats, 1 / 127.5), -1);
}

/**
 * Both towers under the sigmoid loss, with the names of single patches beside it. Inputs: `patches` uint8[B, K, 3·p·p],
 * `positions` int64[B, K], `tokens` int64[M, T], `labels` float32[B, M], and those of `patchNameLoss`.
 */
export function towerTrainingGraph({ images, texts, patches, vocabularySize }: TowerBatchShape): TrainingGraph {
  const graph = new Graph();
  const { parameter, tensors } = trainableParameters(graph);
  const pixels = normalizedPatches(graph, images, patches);
  const all = patches === patchCount(miniVision);
  const positions = all ? {} : { positions: graph.input("positions", "int64", [images, patches]) };
  const patchTokens = siglipPatchTokens(pixels, parameter, miniVision, { fused: false, ...positions });
  const pooled = siglipPooledEmbedding(patchTokens, parameter, miniVision);
  const tokens = graph.input("tokens", "int64", [texts, miniText.maxTokens]);
  const text = siglipTextEmbedding(tokens, parameter, { ...miniText, vocabularySize }, { fused: false });
  const labels = graph.input("labels", "float32", [images, texts]);
  const pairLoss = sigmoidLoss(pooled, text, labels, parameter("logit_scale", [1]), parameter("logit_bias", [1]));
  const patchLoss = patchNameLoss(graph, patchTokens, parameter, images * patches);
  return { graph, loss: add(scale(pairLoss, sigmoidShare), patchLoss), parameters: tensors };
}
