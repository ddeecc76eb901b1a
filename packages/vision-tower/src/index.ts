export { encoderBlocks, type EncoderConfig, type EncoderOptions, type Parameter } from "./models/transformer-block.js";
export {
  patchCount,
  patchesOf,
  siglipPatchEmbeddings,
  siglipPatchTokens,
  siglipPooledEmbedding,
  type SiglipVisionConfig,
} from "./models/siglip-vision.js";
export { siglipTextEmbedding, type SiglipTextConfig } from "./models/siglip-text.js";
