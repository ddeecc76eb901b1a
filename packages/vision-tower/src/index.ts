export { encoderBlocks, type EncoderConfig, type EncoderOptions, type Parameter } from "./models/transformer-block.js";
export {
  patchCount,
  patchesOf,
  patchGrid,
  siglipPatchEmbeddings,
  siglipPatchTokens,
  siglipPooledEmbedding,
  type SiglipVisionConfig,
} from "./models/siglip-vision.js";
export { hiddenKeyBias, naflexPatchTokens, type NaflexVisionConfig } from "./models/siglip2-naflex.js";
export { interpolatePositions, type PositionInterpolation } from "./models/interpolate-positions.js";
export { siglipTextEmbedding, type SiglipTextConfig } from "./models/siglip-text.js";
export { loadSiglip, loadVisionTower, type LoadOptions } from "./load-vision-tower.js";
export { TowerDisposedError, VisionTower, type EncodeOptions, type ImageEmbeddings } from "./vision-tower.js";
export { imageLibrary } from "./pixels/image-library.js";
export { openCheckpoint } from "./families/open-checkpoint.js";
export { openVision } from "./precision/open-vision.js";
export { openInt8, type OpenedTower } from "./precision/open-int8.js";
export { calibrationImages } from "./precision/calibration-images.js";
export type { Precision, PrecisionReport } from "./precision/precision.js";
export type { OnnxVariant } from "./hub-onnx/onnx-files.js";
export { exportOnnx, type ExportOptions, type ExportProgress, type ExportReport, type ExportVariant } from "./export/export-onnx.js";
export type { BatchOptions } from "./batch-options.js";
export { Siglip } from "./siglip.js";
export type { AskedCheckpointOptions, Checkpoint, OpenCheckpointOptions, PatchGrid, PreparedImages, TextPart, TowerName, VisionPart } from "./checkpoint.js";
export { Heatmap, type HeatmapOptions, type HeatmapPngOptions, type HeatmapScore } from "./heatmap/heatmap.js";
export type { Tag, TagOptions, TagResult } from "./tag.js";
export { weightParameters } from "./weights/weight-parameters.js";
export { readCheckpointVision, type CheckpointVision } from "./huggingface/read-checkpoint-vision.js";
export type { GridTower, TowerTraining } from "./grid-tower/grid-tower.js";
export { siglipGridTower } from "./grid-tower/siglip-grid-tower.js";
export { mmprojTower } from "./grid-tower/mmproj-tower.js";
export { checkpointTower, type CheckpointTower } from "./grid-tower/checkpoint-tower.js";
export { mmprojTowerName, siglipTowerTensors } from "./mmproj/mmproj-names.js";
export { readMmprojVision, type MmprojVision, type PositionUse } from "./mmproj/read-mmproj-vision.js";
export { decodeImage, imageSize, readImage, type DecodedImage, type DecodeImageOptions, type ImageLimits } from "./pixels/decode-image.js";
export { ImageError, type ImageErrorCode } from "./pixels/image-error.js";
export type { ImageFile, ImageSource } from "./pixels/image-source.js";
export { thumbnail } from "./pixels/thumbnail.js";
export { unitRows } from "./unit-rows.js";
export { resample } from "./pixels/resample.js";
export type { ResampleFilter } from "./pixels/resample-filter.js";
export { normalize, type Normalization, type PerChannel } from "./pixels/normalize.js";
export { preprocess, type PixelBatch, type Preprocessing } from "./pixels/preprocess.js";
export { naflexGrid, preprocessNaflex, type NaflexBatch, type NaflexPreprocessing } from "./pixels/naflex.js";
export type { ImagePlan, ImageView, LayoutPart, PixelStep, PreprocessingStyle, Size } from "./pixels/tiling/image-plan.js";
export { renderViews } from "./pixels/tiling/render-views.js";
export { letterbox } from "./pixels/tiling/letterbox.js";
export { anyresPlan, type AnyresPlan } from "./pixels/tiling/anyres-plan.js";
export { gemma3Plan, type Gemma3Plan, type PanAndScan } from "./pixels/tiling/gemma3-plan.js";
export { idefics3Plan, type Idefics3Plan } from "./pixels/tiling/idefics3-plan.js";
export { lfm2Plan, type Lfm2Plan } from "./pixels/tiling/lfm2-plan.js";
export { minicpmPlan, type MinicpmPlan } from "./pixels/tiling/minicpm-plan.js";
export { qwen3vlPlan, type Qwen3vlPlan } from "./pixels/tiling/qwen3vl-plan.js";
export { blockUnusedImageLoaders } from "./pixels/block-image-loaders.js";
export { parseSiglip2Config, parseSiglipConfig, type Siglip2Config, type SiglipConfig } from "./config/siglip-config.js";
export { checkImageSize, parseNaflexPreprocessorConfig, parsePreprocessorConfig } from "./config/preprocessor-config.js";
export { loadSiglip2Config, loadSiglipConfig, type Siglip2Directory, type SiglipDirectory } from "./config/load-siglip-config.js";
export { ConfigError } from "./config/config-error.js";
export { loadTextTokenizer, type LoadTextTokenizerOptions, type TextTokenizer, type TokenBatch } from "./text/load-text-tokenizer.js";
export { checkpointDirectory } from "./config/checkpoint-directory.js";
export { cropped, mirrored, randomCropBox, type CropBox, type RandomCropOptions } from "./pixels/augment/random-resized-crop.js";
export { colorJitter, type ColorJitterOptions } from "./pixels/augment/color-jitter.js";
export { hasTextHead } from "./families/siglip-checkpoint.js";
