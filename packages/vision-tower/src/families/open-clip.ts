import { access } from "node:fs/promises";
import path from "node:path";
import type { WeightSource } from "@sightline/weights";
import type { Checkpoint, OpenCheckpointOptions, VisionPart } from "../checkpoint.js";
import { parseOpenClipConfig, type OpenClipConfig } from "../config/open-clip-config.js";
import { readJson } from "../config/read-json.js";
import { clipPositionTable, clipVision } from "../models/clip.js";
import { eva02PositionTable, eva02Vision } from "../models/eva02-clip.js";
import { patchGrid } from "../models/siglip-vision.js";
import { atSide } from "../pixels/resize-crop.js";
import { openClipNames, openClipParameters } from "../weights/open-clip-parameters.js";
import { resizedPositions } from "../weights/resized-positions.js";
import { weightParameters } from "../weights/weight-parameters.js";
import { checkpointOf } from "./checkpoint-of.js";
import { clipLogits, clipTextPart } from "./clip-text-part.js";
import { askedImageSize, cropVisionPart } from "./crop-vision-part.js";

/** The file that says that a directory is open_clip's. */
export const openClipConfigName: string = "open_clip_config.json";

/**
 * A directory as open_clip publishes it (`open_clip_config.json`, `open_clip_model.safetensors`, tokenizer.json):
 * EVA-02-CLIP, and CLIP with open_clip's own ViT; at the checkpoint's resolution or, on interpolated positions, at another.
 * @throws ConfigError naming the file and the field; WeightsError naming the tensor, its expected and its actual shape;
 * RangeError for an image size that holds no patch
 */
export async function openOpenClipCheckpoint(directory: string, options: OpenCheckpointOptions): Promise<Checkpoint> {
  const { towers, signal } = options;
  const file = path.join(directory, openClipConfigName);
  const timmFile = path.join(directory, "config.json");
  const timm = (await exists(timmFile)) ? { value: await readJson(timmFile, signal), fileName: timmFile } : undefined;
  const config = parseOpenClipConfig(await readJson(file, signal), file, timm);
  // Named, because a directory may hold timm's vision tower alone as model.safetensors.
  return checkpointOf(directory, path.join(directory, "open_clip_model.safetensors"), async (source) => ({
    ...(towers.includes("vision") ? { vision: visionPart(config, options.imageSize, source) } : {}),
    ...(towers.includes("text") ? { text: clipTextPart(config.text, directory, (graph) => openClipParameters(graph, source)) } : {}),
    ...(await clipLogits(source, towers.includes("vision") && towers.includes("text"))),
  }));
}

function visionPart({ vision, preprocessing }: OpenClipConfig, asked: number | undefined, source: WeightSource): VisionPart {
  const { imageSize: trainedSize, patchSize, width } = vision.config;
  const imageSize = askedImageSize(asked, trainedSize, patchSize);
  const how = atSide(preprocessing, imageSize);
  // Both open_clip and timm resize positions with antialiasing.
  const resize = { prefix: 1, width, from: patchGrid(vision.config), to: patchGrid({ ...vision.config, imageSize }), method: "bicubic-antialias" } as const;
  if (vision.kind === "eva02") {
    const config = { ...vision.config, imageSize };
    return cropVisionPart(config, config.projectionWidth, how, (graph, patches) => {
      const parameter = resizedPositions(graph, source, weightParameters(graph, source), { ...resize, name: eva02PositionTable, batched: true });
      return eva02Vision(patches, parameter, config, { fused: true });
    });
  }
  const config = { ...vision.config, imageSize };
  return cropVisionPart(config, config.projectionWidth ?? width, how, (graph, patches) => {
    const storedName = openClipNames(source)(clipPositionTable);
    const parameter = resizedPositions(graph, source, openClipParameters(graph, source), { ...resize, name: clipPositionTable, storedName });
    return clipVision(patches, parameter, config, { fused: true });
  });
}

async function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}
