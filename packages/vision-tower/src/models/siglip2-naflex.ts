import { add, broadcastTo, knownDim, type Dim, type Tensor } from "@sightline/graph";
import { encoderBlocks, layerNormLayer, linearLayer, type EncoderConfig, type EncoderOptions, type Parameter } from "./transformer-block.js";

/** Sizes of a SigLIP 2 NaFlex vision tower (`vision_config` of config.json). */
export interface NaflexVisionConfig extends EncoderConfig {
  /** Side of a square patch, pixels. */
  readonly patchSize: number;
  /** Side of the square grid of learned positions, which each image resizes to its own grid. */
  readonly positionSide: number;
}

/** What a padding patch has for a bias: its weight in a softmax is exactly 0, and float16 still holds it. */
export const hiddenKeyBias: number = -30_000;

/**
 * The NaFlex tower from patches to patch tokens (transformers `Siglip2VisionModel` up to its post-LN): a linear patch
 * embedding, positions that were resized to each image's own grid, and blocks in which nothing looks at padding.
 * @param patches float32[B, P, p·p·3], zeros for padding
 * @param positions float32[B, P, D]
 * @param keyBias float32[B, 1, 1, P], 0 for a patch and `hiddenKeyBias` for padding
 * @returns patch tokens, float32[B, P, D]
 */
export function naflexPatchTokens(
  patches: Tensor,
  positions: Tensor,
  keyBias: Tensor,
  parameter: Parameter,
  config: NaflexVisionConfig,
  options: EncoderOptions,
): Tensor {
  const [batch, room] = patches.shape as [Dim, Dim];
  const embedded = linearLayer(patches, parameter, "vision_model.embeddings.patch_embedding", config.width);
  const count = knownDim(room, "naflexPatchTokens");
  const attentionBias = broadcastTo(keyBias, [batch, 1, count, count]);
  const tokens = encoderBlocks(add(embedded, positions), parameter, "vision_model", config, { ...options, attentionBias });
  return layerNormLayer(tokens, parameter, "vision_model.post_layernorm", config.layerNormEps);
}
