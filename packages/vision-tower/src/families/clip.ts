import path from "node:path";
import type { WeightSource } from "@sightline/weights";
import type { Checkpoint, OpenCheckpointOptions, VisionPart } from "../checkpoint.js";
import { parseClipConfig, parseClipVisionConfig } from "../config/clip-config.js";
import { ConfigError } from "../config/config-error.js";
import { parseCropPreprocessorConfig } from "../config/crop-preprocessor-config.js";
import { readJson } from "../config/read-json.js";
import { clipPositionTable, clipVision, type ClipVisionConfig } from "../models/clip.js";
import { patchGrid } from "../models/siglip-vision.js";
import { atSide, type CropPreprocessing } from "../pixels/resize-crop.js";
import { resizedPositions } from "../weights/resized-positions.js";
import { weightParameters } from "../weights/weight-parameters.js";
import { clipLogits, clipTextPart } from "./clip-text-part.js";
import { askedImageSize, cropVisionPart } from "./crop-vision-part.js";
import { checkpointOf } from "./checkpoint-of.js";

/**
 * CLIP (`model_type: "clip"`: OpenAI's, LAION's and others) from a Hugging Face directory; at the checkpoint's resolution
 * or, on interpolated positions, at another.
 * @throws ConfigError naming the file and the field; WeightsError naming the tensor, its expected and its actual shape;
 * RangeError for an image size that holds no patch
 */
export async function openClipCheckpoint(directory: string, options: OpenCheckpointOptions): Promise<Checkpoint> {
  const { towers, signal } = options;
  const configFile = path.join(directory, "config.json");
  const config = parseClipConfig(await readJson(configFile, signal), configFile);
  const preprocessing = towers.includes("vision") ? await readPreprocessing(directory, config.vision, signal) : undefined;
  return checkpointOf(directory, directory, async (source) => ({
    ...(preprocessing ? { vision: visionPart(config.vision, preprocessing, options.imageSize, source) } : {}),
    ...(towers.includes("text") ? { text: clipTextPart(config.text, directory, (graph) => weightParameters(graph, source)) } : {}),
    ...(await clipLogits(source, towers.includes("vision") && towers.includes("text"))),
  }));
}

/**
 * CLIP's vision tower alone (`model_type: "clip_vision_model"`), with its projection where the file has one.
 * @throws as `openClipCheckpoint`
 */
export async function openClipVisionCheckpoint(directory: string, { imageSize, signal }: OpenCheckpointOptions): Promise<Checkpoint> {
  const configFile = path.join(directory, "config.json");
  const config = parseClipVisionConfig(await readJson(configFile, signal), configFile);
  const preprocessing = await readPreprocessing(directory, config, signal);
  return checkpointOf(directory, directory, (source) => {
    const projectionWidth = source.tensors.has("visual_projection.weight") ? config.projectionWidth : undefined;
    return { vision: visionPart({ ...config, projectionWidth }, preprocessing, imageSize, source) };
  });
}

/** How the checkpoint crops its images, to the tower's own side. */
export async function readPreprocessing(directory: string, { imageSize }: ClipVisionConfig, signal: AbortSignal | undefined): Promise<CropPreprocessing> {
  const file = path.join(directory, "preprocessor_config.json");
  const preprocessing = parseCropPreprocessorConfig(await readJson(file, signal), file);
  if (preprocessing.side !== imageSize) {
    throw new ConfigError("openClipCheckpoint", file, `crop_size: expected the tower's ${imageSize}x${imageSize}, got ${preprocessing.side}x${preprocessing.side}; take both files from one checkpoint`);
  }
  return preprocessing;
}

function visionPart(trained: ClipVisionConfig, preprocessing: CropPreprocessing, asked: number | undefined, source: WeightSource): VisionPart {
  const imageSize = askedImageSize(asked, trained.imageSize, trained.patchSize);
  const config = { ...trained, imageSize };
  // transformers 5 writes a tower that is alone without the prefix.
  const bare = source.tensors.has("embeddings.class_embedding");
  const rename = (name: string): string => (bare ? name.replace(/^vision_model\./, "") : name);
  return cropVisionPart(config, config.projectionWidth ?? config.width, atSide(preprocessing, imageSize), (graph, patches) => {
    const parameter = resizedPositions(graph, source, weightParameters(graph, source, rename), {
      name: clipPositionTable,
      storedName: rename(clipPositionTable),
      prefix: 1,
      width: config.width,
      from: patchGrid(trained),
      to: patchGrid(config),
      method: "bicubic",
    });
    return clipVision(patches, parameter, config, { fused: true });
  });
}
