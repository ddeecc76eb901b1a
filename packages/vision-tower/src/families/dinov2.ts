import path from "node:path";
import type { WeightSource } from "@sightline/weights";
import type { Checkpoint, OpenCheckpointOptions, VisionPart } from "../checkpoint.js";
import { parseCropPreprocessorConfig } from "../config/crop-preprocessor-config.js";
import { parseDinov2Config } from "../config/dinov2-config.js";
import { readJson } from "../config/read-json.js";
import { dinov2PositionTable, dinov2Vision, type Dinov2Config } from "../models/dinov2.js";
import { patchGrid } from "../models/siglip-vision.js";
import { atSide, type CropPreprocessing } from "../pixels/resize-crop.js";
import { resizedPositions } from "../weights/resized-positions.js";
import { weightParameters } from "../weights/weight-parameters.js";
import { checkpointOf } from "./checkpoint-of.js";
import { askedImageSize, cropVisionPart } from "./crop-vision-part.js";

/**
 * DINOv2 (`model_type` "dinov2" or "dinov2_with_registers") from a Hugging Face directory, at the resolution that its
 * preprocessor crops to, or at another: it was trained at 518 pixels and its positions are interpolated at most sizes.
 * @throws ConfigError naming the file and the field; WeightsError naming the tensor, its expected and its actual shape;
 * RangeError for an image size that holds no patch
 */
export async function openDinov2Checkpoint(directory: string, { imageSize, signal }: OpenCheckpointOptions): Promise<Checkpoint> {
  const configFile = path.join(directory, "config.json");
  const json = await readJson(configFile, signal);
  const config = parseDinov2Config(json, configFile);
  const preprocessorFile = path.join(directory, "preprocessor_config.json");
  const preprocessing = parseCropPreprocessorConfig(await readJson(preprocessorFile, signal), preprocessorFile);
  const type = (json as { readonly model_type: "dinov2" | "dinov2_with_registers" }).model_type;
  return checkpointOf(directory, directory, (source) => ({ vision: visionPart(config, type, preprocessing, imageSize, source) }));
}

function visionPart(
  trained: Dinov2Config,
  type: "dinov2" | "dinov2_with_registers",
  preprocessing: CropPreprocessing,
  asked: number | undefined,
  source: WeightSource,
): VisionPart {
  const imageSize = askedImageSize(asked, preprocessing.side, trained.patchSize);
  const config = { ...trained, imageSize };
  // A classifier's file has the tower under the name of its type.
  const prefix = source.tensors.has(`${type}.embeddings.cls_token`) ? `${type}.` : "";
  const rename = (name: string): string => prefix + name;
  return cropVisionPart(config, config.width, atSide(preprocessing, imageSize), (graph, patches) => {
    const parameter = resizedPositions(graph, source, weightParameters(graph, source, rename), {
      name: dinov2PositionTable,
      storedName: rename(dinov2PositionTable),
      prefix: 1,
      batched: true,
      width: config.width,
      from: patchGrid(trained),
      to: patchGrid(config),
      // As transformers does it, by size. The authors' own code gives models without registers a factor of (n + 0.1) / m.
      method: type === "dinov2" ? "bicubic" : "bicubic-antialias",
    });
    return dinov2Vision(patches, parameter, config, { fused: true });
  });
}
