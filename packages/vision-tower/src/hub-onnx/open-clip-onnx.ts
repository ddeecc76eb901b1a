import path from "node:path";
import type { Checkpoint, OpenCheckpointOptions } from "../checkpoint.js";
import { parseClipConfig } from "../config/clip-config.js";
import { readJson } from "../config/read-json.js";
import { readPreprocessing } from "../families/clip.js";
import { patchGrid } from "../models/siglip-vision.js";
import { preprocessCropped } from "../pixels/resize-crop.js";
import { loadClipTokenizer } from "../text/load-clip-tokenizer.js";
import type { OnnxFiles } from "./onnx-files.js";
import { onnxCheckpoint } from "./onnx-parts.js";

/**
 * CLIP from the ONNX files of transformers.js' layout, which give embeddings after their projection and no patch tokens.
 * @throws ConfigError naming the file and the field; RangeError for another image size than the checkpoint's
 */
export async function openClipOnnx(directory: string, options: OpenCheckpointOptions, files: OnnxFiles): Promise<Checkpoint> {
  const configFile = path.join(directory, "config.json");
  const { vision, text } = parseClipConfig(await readJson(configFile, options.signal), configFile);
  const preprocessing = await readPreprocessing(directory, vision, options.signal);
  const model = {
    vision: {
      width: vision.width,
      imageSize: vision.imageSize,
      grid: patchGrid(vision),
      preprocess: (images: Parameters<typeof preprocessCropped>[0]) => preprocessCropped(images, preprocessing),
      outputs: { pooled: "image_embeds" },
    },
    text: { maxTokens: text.maxTokens, loadTokenizer: () => loadClipTokenizer(directory, text), output: "text_embeds" },
    pooledWidth: text.projectionWidth,
  };
  return onnxCheckpoint(directory, model, options, files);
}
