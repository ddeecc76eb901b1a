import type { Checkpoint, OpenCheckpointOptions } from "../checkpoint.js";
import { loadSiglipConfig } from "../config/load-siglip-config.js";
import { patchGrid } from "../models/siglip-vision.js";
import { preprocess } from "../pixels/preprocess.js";
import { loadTextTokenizer } from "../text/load-text-tokenizer.js";
import type { OnnxFiles } from "./onnx-files.js";
import { onnxCheckpoint } from "./onnx-parts.js";

/**
 * SigLIP of one fixed resolution from the ONNX files of transformers.js' layout. `vision_model` gives patch tokens and
 * pooled embeddings; a `model` of both towers gives embeddings of unit length and no patch tokens.
 * @throws ConfigError naming the file and the field; RangeError for another image size than the checkpoint's
 */
export async function openSiglipOnnx(directory: string, options: OpenCheckpointOptions, files: OnnxFiles): Promise<Checkpoint> {
  const { signal } = options;
  const { config, preprocessing } = await loadSiglipConfig(directory, signal ? { signal } : {});
  const { vision, text } = config;
  const { maxTokens, vocabularySize } = text;
  const model = {
    vision: {
      width: vision.width,
      imageSize: vision.imageSize,
      grid: patchGrid(vision),
      preprocess: (images: Parameters<typeof preprocess>[0]) => preprocess(images, preprocessing),
      outputs: { patchTokens: "last_hidden_state", pooled: "pooler_output" },
    },
    text: { maxTokens, loadTokenizer: () => loadTextTokenizer(directory, { maxTokens, vocabularySize }), output: "pooler_output" },
    pooledWidth: vision.width,
  };
  return onnxCheckpoint(directory, model, options, files);
}
