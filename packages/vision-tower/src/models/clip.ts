import { add, concat, firstPlaceOf, gatherRows, linear, placeOfLargest, reshape, slice, tokensAt, type Dim, type Graph, type Tensor } from "@sightline/graph";
import { withPrefixTokens } from "./prefix-tokens.js";
import { patchCount, type SiglipVisionConfig } from "./siglip-vision.js";
import { encoderBlocks, layerNormLayer, type EncoderConfig, type EncoderOptions, type Parameter } from "./transformer-block.js";

export interface ClipVisionConfig extends SiglipVisionConfig {
  /** E, the width that images and texts share; undefined for a tower without the projection to it. */
  readonly projectionWidth: number | undefined;
}

export interface ClipTextConfig extends EncoderConfig {
  /** V, the entries of the token table. */
  readonly vocabularySize: number;
  /** T, the length that every text is padded to, tokens. */
  readonly maxTokens: number;
  /** E */
  readonly projectionWidth: number;
  /** The id whose first place is pooled; undefined where it is the largest id of the vocabulary, whatever that is. */
  readonly endId: number | undefined;
}

/** What a tower gives for a batch of images. */
export interface VisionOutputs {
  /** float32[B, P, D] */
  readonly patchTokens: Tensor;
  /** float32[B, pooledWidth] */
  readonly pooled: Tensor;
}

/** The class token's position, then those of the patches. */
export const clipPositionTable: string = "vision_model.embeddings.position_embedding.weight";

/**
 * The vision tower (transformers `CLIPVisionModel`; Radford et al. 2021): a class token before the patches, a norm before
 * the blocks, and one after them for the class token alone, which a matrix without bias then projects.
 * @param patches float32[B, P, 3·p·p]
 * @returns `patchTokens` as the last block leaves them, not normed, as LLaVA takes them; `pooled`, the image embedding
 */
export function clipVision(patches: Tensor, parameter: Parameter, config: ClipVisionConfig, options: EncoderOptions): VisionOutputs {
  const { width, patchSize, layerNormEps, projectionWidth } = config;
  const count = patchCount(config);
  const kernel = parameter("vision_model.embeddings.patch_embedding.weight", [width, 3, patchSize, patchSize]);
  const embedded = linear(patches, reshape(kernel, [width, 3 * patchSize * patchSize]));
  const positions = parameter(clipPositionTable, [1 + count, width]);
  const classToken = add(slice(positions, 0, 0, 1), parameter("vision_model.embeddings.class_embedding", [width]));
  const placed = withPrefixTokens(embedded, concat([classToken, slice(positions, 0, 1, 1 + count)], 0), 1);
  // Misspelt in every checkpoint.
  const normed = layerNormLayer(placed, parameter, "vision_model.pre_layrnorm", layerNormEps);
  const tokens = encoderBlocks(normed, parameter, "vision_model", config, options);
  const first = reshape(slice(tokens, 1, 0, 1), [patches.shape[0] as Dim, width]);
  const pooled = layerNormLayer(first, parameter, "vision_model.post_layernorm", layerNormEps);
  return {
    patchTokens: slice(tokens, 1, 1, 1 + count),
    pooled: projectionWidth === undefined ? pooled : linear(pooled, parameter("visual_projection.weight", [projectionWidth, width])),
  };
}

/**
 * The text tower (transformers `CLIPTextModel`): causal, so that padding changes nothing before it; the first end token
 * is the pooled one, which a matrix without bias projects.
 * @param tokenIds int64[B, T], padded to T = maxTokens
 * @returns text embedding, float32[B, E]
 */
export function clipTextEmbedding(tokenIds: Tensor, parameter: Parameter, config: ClipTextConfig, options: EncoderOptions): Tensor {
  const { width, vocabularySize, maxTokens, projectionWidth, endId } = config;
  const tokens = gatherRows(parameter("text_model.embeddings.token_embedding.weight", [vocabularySize, width]), tokenIds);
  const placed = add(tokens, parameter("text_model.embeddings.position_embedding.weight", [maxTokens, width]));
  const attentionBias = causalBias(tokenIds.graph, maxTokens);
  const encoded = encoderBlocks(placed, parameter, "text_model", config, { ...options, attentionBias });
  const end = tokensAt(encoded, endId === undefined ? placeOfLargest(tokenIds) : firstPlaceOf(tokenIds, endId));
  const normed = layerNormLayer(end, parameter, "text_model.final_layer_norm", config.layerNormEps);
  return linear(normed, parameter("text_projection.weight", [projectionWidth, width]));
}

/** float32[1, 1, T, T]: what follows a token is hidden from it. Its weight in a softmax is exactly 0, and float16 still holds it. */
function causalBias(graph: Graph, tokens: number): Tensor {
  const bias = Float32Array.from({ length: tokens * tokens }, (_, i) => (i % tokens > Math.floor(i / tokens) ? -30_000 : 0));
  return graph.weight("causal bias", "float32", [1, 1, tokens, tokens], bias);
}
