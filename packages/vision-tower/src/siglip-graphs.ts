import { Graph } from "@sightline/graph";
import type { WeightSource } from "@sightline/weights";
import type { PatchGrid } from "./checkpoint.js";
import { siglipTextEmbedding, type SiglipTextConfig } from "./models/siglip-text.js";
import { patchesOf, patchGrid, positionTable, siglipPatchEmbeddings, siglipPatchTokens, siglipPooledEmbedding, type SiglipVisionConfig } from "./models/siglip-vision.js";
import { naflexPatchTokens, type NaflexVisionConfig } from "./models/siglip2-naflex.js";
import type { EncoderConfig } from "./models/transformer-block.js";
import { resizedPositions } from "./weights/resized-positions.js";
import { weightParameters } from "./weights/weight-parameters.js";

/**
 * The vision tower over a checkpoint's weights, which are not read yet: `pixels` float32[B, 3, H, W] ->
 * `patchTokens` float32[B, P, D], `pooled` float32[B, D].
 * @param trainedGrid the grid of the stored positions, where it is not the one that the configuration's image is cut
 * into; they are interpolated as transformers does it for `interpolate_pos_encoding`
 * @throws WeightsError when a tensor is missing or has another shape than the configuration says
 */
export function siglipVisionGraph(config: SiglipVisionConfig, source: WeightSource, trainedGrid: PatchGrid = patchGrid(config)): Graph {
  const graph = new Graph();
  const parameter = resizedPositions(graph, source, weightParameters(graph, source), {
    name: positionTable,
    width: config.width,
    from: trainedGrid,
    to: patchGrid(config),
    method: "bicubic",
  });
  const { imageSize, patchSize } = config;
  const pixels = graph.input("pixels", "float32", ["B", 3, imageSize, imageSize]);
  const patchTokens = siglipPatchTokens(patchesOf(pixels, patchSize), parameter, config, { fused: true });
  graph.output("patchTokens", patchTokens);
  graph.output("pooled", siglipPooledEmbedding(patchTokens, parameter, config));
  return graph;
}

/**
 * The NaFlex vision tower likewise: `patches` float32[B, P, p·p·3], `positions` float32[B, P, D], `keyBias`
 * float32[B, 1, 1, P] -> `patchTokens` float32[B, P, D], `pooled` float32[B, D].
 * @param maxPatches P
 */
export function naflexVisionGraph(config: NaflexVisionConfig, maxPatches: number, source: WeightSource): Graph {
  const graph = new Graph();
  const parameter = weightParameters(graph, source);
  const patches = graph.input("patches", "float32", ["B", maxPatches, 3 * config.patchSize ** 2]);
  const positions = graph.input("positions", "float32", ["B", maxPatches, config.width]);
  const keyBias = graph.input("keyBias", "float32", ["B", 1, 1, maxPatches]);
  const patchTokens = naflexPatchTokens(patches, positions, keyBias, parameter, config, { fused: true });
  graph.output("patchTokens", patchTokens);
  graph.output("pooled", siglipPooledEmbedding(patchTokens, parameter, config, keyBias));
  return graph;
}

/** The pooling head on single patches, of any images, of either tower: `patchTokens` float32[N, D] -> `patchEmbeddings` float32[N, D]. */
export function siglipPatchEmbeddingGraph(config: EncoderConfig, source: WeightSource): Graph {
  const graph = new Graph();
  const patchTokens = graph.input("patchTokens", "float32", ["N", config.width]);
  graph.output("patchEmbeddings", siglipPatchEmbeddings(patchTokens, weightParameters(graph, source), config));
  return graph;
}

/** The text tower of either: `tokens` int64[B, T] -> `embeddings` float32[B, D]. */
export function siglipTextGraph(config: SiglipTextConfig, source: WeightSource): Graph {
  const graph = new Graph();
  const tokens = graph.input("tokens", "int64", ["B", config.maxTokens]);
  graph.output("embeddings", siglipTextEmbedding(tokens, weightParameters(graph, source), config, { fused: true }));
  return graph;
}
