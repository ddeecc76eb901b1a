import type { DecoderConfig } from "@sightline/contrastive";
import type { SiglipTextConfig, SiglipVisionConfig } from "@sightline/vision-tower";

/** The shapes of mini's three parts. 64 patches of 16 px, wide enough that matrix products dominate a training step. */
export const miniVision: SiglipVisionConfig = {
  width: 256,
  layers: 6,
  heads: 4,
  mlpWidth: 768,
  layerNormEps: 1e-6,
  imageSize: 128,
  patchSize: 16,
};

export const miniText: Omit<SiglipTextConfig, "vocabularySize"> = {
  width: 128,
  layers: 2,
  heads: 2,
  mlpWidth: 384,
  layerNormEps: 1e-6,
  maxTokens: 16,
  projectionWidth: miniVision.width,
};

/** Special tokens of the text tower's tokenizer: padding, then the end of a text. */
export const textSpecials = { pad: "<pad>", end: "</s>" } as const;

/** The decoder's shape; its vocabulary is learnt from the recipe's own conversations. */
export const miniDecoder: Omit<DecoderConfig, "vocabularySize"> = {
  width: 192,
  layers: 4,
  heads: 3,
  headWidth: 64,
  mlpWidth: 512,
  ropeTheta: 10_000,
  rmsNormEps: 1e-6,
  queryKeyNorm: true,
};

/** Special tokens of the decoder's tokenizer, as Qwen names them. */
export const chatSpecials = { endOfText: "<|endoftext|>", start: "<|im_start|>", end: "<|im_end|>" } as const;
