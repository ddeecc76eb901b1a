import type { Parameter, TwoTowers } from "@sightline/contrastive";
import type { Graph, Tensor } from "@sightline/graph";
import { siglipTextEmbedding, type SiglipTextConfig } from "@sightline/vision-tower";
import { pooledImages, type TrainingVision } from "./training-vision.js";

/**
 * Both towers of SigLIP as training graphs take them. Inputs: those of the vision tower, and `tokens` int64[C, T].
 * @param frozen where parameters that are not trained come from, as `weightParameters` of a checkpoint
 */
export function siglipTowers(vision: TrainingVision, text: SiglipTextConfig, frozen: (graph: Graph) => Parameter): TwoTowers {
  return {
    layers: { image: vision.encoder.layers, text: text.layers },
    width: vision.encoder.width,
    frozen,
    images: (graph, count, parameter) => pooledImages(vision.patchTokens(graph, count, parameter), parameter, vision),
    texts: (graph, count, parameter) => siglipTextEmbedding(tokensInput(graph, count, text.maxTokens), parameter, text, { fused: false }),
  };
}

function tokensInput(graph: Graph, count: number, maxTokens: number): Tensor {
  return graph.input("tokens", "int64", [count, maxTokens]);
}
