import { add, gatherRows, reshape, slice, type Dim, type Tensor } from "@sightline/graph";
import { encoderBlocks, layerNormLayer, linearLayer, type EncoderConfig, type EncoderOptions, type Parameter } from "./transformer-block.js";

/** Sizes of a SigLIP text tower (`text_config` of config.json). */
export interface SiglipTextConfig extends EncoderConfig {
  /** V, the entries of the token table. */
  readonly vocabularySize: number;
  /** T, the length that every text is padded to, tokens. */
  readonly maxTokens: number;
  /** Width of the embedding, which the vision tower shares. */
  readonly projectionWidth: number;
  /** False for weights without the linear head, whose embedding is the normed token itself; the head is there if left out. */
  readonly head?: boolean;
}

/**
 * The text tower (transformers `SiglipTextTransformer`): no mask, so padding takes part, as it did in training; the
 * last position is the pooled one, padding or not; then a linear head, where there is one.
 * @param tokenIds int64[B, T], padded to T = maxTokens
 * @returns text embedding, float32[B, D]
 */
export function siglipTextEmbedding(tokenIds: Tensor, parameter: Parameter, config: SiglipTextConfig, options: EncoderOptions): Tensor {
  const { width, vocabularySize, maxTokens, projectionWidth } = config;
  const batch = tokenIds.shape[0] as Dim;
  const tokens = gatherRows(parameter("text_model.embeddings.token_embedding.weight", [vocabularySize, width]), tokenIds);
  const placed = add(tokens, parameter("text_model.embeddings.position_embedding.weight", [maxTokens, width]));
  const encoded = encoderBlocks(placed, parameter, "text_model", config, options);
  const last = reshape(slice(encoded, 1, maxTokens - 1, maxTokens), [batch, width]);
  const normed = layerNormLayer(last, parameter, "text_model.final_layer_norm", config.layerNormEps);
  return config.head === false ? normed : linearLayer(normed, parameter, "text_model.head", projectionWidth);
}
