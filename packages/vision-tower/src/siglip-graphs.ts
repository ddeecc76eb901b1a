import { Graph } from "@sightline/graph";
import type { WeightSource } from "@sightline/weights";
import { siglipTextEmbedding, type SiglipTextConfig } from "./models/siglip-text.js";
import { patchesOf, siglipPatchTokens, siglipPooledEmbedding, type SiglipVisionConfig } from "./models/siglip-vision.js";
import { weightParameters } from "./weights/weight-parameters.js";

/**
 * The vision tower over a checkpoint's weights, which are not read yet: `pixels` float32[B, 3, H, W] ->
 * `patchTokens` float32[B, P, D], `pooled` float32[B, D].
 * @throws WeightsError when a tensor is missing or has another shape than the configuration says
 */
export function siglipVisionGraph(config: SiglipVisionConfig, source: WeightSource): Graph {
  const graph = new Graph();
  const parameter = weightParameters(graph, source);
  const { imageSize, patchSize } = config;
  const pixels = graph.input("pixels", "float32", ["B", 3, imageSize, imageSize]);
  const patchTokens = siglipPatchTokens(patchesOf(pixels, patchSize), parameter, config, { fused: true });
  graph.output("patchTokens", patchTokens);
  graph.output("pooled", siglipPooledEmbedding(patchTokens, parameter, config));
  return graph;
}

/** The text tower likewise: `tokens` int64[B, T] -> `embeddings` float32[B, D]. */
export function siglipTextGraph(config: SiglipTextConfig, source: WeightSource): Graph {
  const graph = new Graph();
  const tokens = graph.input("tokens", "int64", ["B", config.maxTokens]);
  graph.output("embeddings", siglipTextEmbedding(tokens, weightParameters(graph, source), config, { fused: true }));
  return graph;
}
