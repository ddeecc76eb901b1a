import { openModelFile, type ModelFileOptions } from "@sightline/graph";
import { narrowFloat16, widenFloat16 } from "@sightline/weights";
import type { Checkpoint, OpenCheckpointOptions, TextPart, VisionPart } from "../checkpoint.js";
import type { LogitScale } from "../cosine-logits.js";
import { loadSiglipConfig, type SiglipDirectory } from "../config/load-siglip-config.js";
import { patchCount, patchGrid } from "../models/siglip-vision.js";
import { preprocess } from "../pixels/preprocess.js";
import { loadTextTokenizer } from "../text/load-text-tokenizer.js";
import { readLogitConstants } from "./logit-constants.js";
import type { OnnxFiles, TowerFile } from "./onnx-files.js";

/**
 * SigLIP of one fixed resolution from the ONNX files of transformers.js' layout. `vision_model` gives patch tokens and
 * pooled embeddings. A `model` of both towers gives embeddings of unit length and no patch tokens (P = 0), and runs the
 * other tower once for nothing. The scale and bias of logits are read out of a `model*.onnx`; the others do not have them.
 * @throws ConfigError naming the file and the field; RangeError for another image size than the checkpoint's
 */
export async function openSiglipOnnx(directory: string, options: OpenCheckpointOptions, files: OnnxFiles): Promise<Checkpoint> {
  const { signal, imageSize } = options;
  const read = await loadSiglipConfig(directory, signal ? { signal } : {});
  const ownSize = read.config.vision.imageSize;
  if (imageSize !== undefined && imageSize !== ownSize) {
    throw new RangeError(`loadSiglip: expected imageSize ${ownSize}, the one of the ONNX files, got ${imageSize}; other sizes need safetensors`);
  }
  const { vision, text } = files.towers;
  const logits = vision && text ? await firstLogitConstants(files.joint) : undefined;
  return {
    path: directory,
    ...(vision ? { vision: visionPart(read, vision) } : {}),
    ...(text ? { text: textPart(read, directory, text) } : {}),
    ...(logits ? { logitScale: logits.scale, logitBias: logits.bias } : {}),
    close: async () => {},
  };
}

async function firstLogitConstants(joint: readonly string[]): Promise<LogitScale | undefined> {
  for (const file of joint) {
    const found = await readLogitConstants(file);
    if (found) return found;
  }
  return undefined;
}

const float16 = { narrow: narrowFloat16, widen: widenFloat16 };

function visionPart({ config, preprocessing }: SiglipDirectory, { file, joint }: TowerFile): VisionPart {
  const { vision, text } = config;
  const { width, imageSize } = vision;
  const grid = patchGrid(vision);
  const patches = joint ? 0 : patchCount(vision);
  const pooled = { names: [joint ? "image_embeds" : "pooler_output"], dtype: "float32", shape: ["B", width] } as const;
  const patchTokens = { names: ["last_hidden_state"], dtype: "float32", shape: ["B", patches, width] } as const;
  const model: ModelFileOptions = {
    inputs: { pixels: { name: "pixel_values", dtype: "float32", shape: ["B", 3, imageSize, imageSize] } },
    outputs: joint ? { pooled } : { patchTokens, pooled },
    filled: joint ? { input_ids: { shape: [1, text.maxTokens], value: 0 }, attention_mask: { shape: [1, text.maxTokens], value: 1 } } : {},
    float16,
  };
  return {
    width,
    pooledWidth: width,
    prepare: (images) => {
      const { data, shape } = preprocess(images, preprocessing);
      return { feeds: { pixels: { dtype: "float32", shape, data } }, grids: images.map(() => grid), patches };
    },
    open: (session) => openModelFile(file, { ...session, ...model }),
  };
}

function textPart({ config }: SiglipDirectory, directory: string, { file, joint }: TowerFile): TextPart {
  const { maxTokens, vocabularySize, projectionWidth } = config.text;
  const { imageSize } = config.vision;
  const model: ModelFileOptions = {
    inputs: { tokens: { name: "input_ids", dtype: "int64", shape: ["B", maxTokens] } },
    outputs: { embeddings: { names: [joint ? "text_embeds" : "pooler_output"], dtype: "float32", shape: ["B", projectionWidth] } },
    // The tower was trained to see its padding, so a mask hides nothing.
    filled: { attention_mask: { shape: ["B", maxTokens], value: 1 }, ...(joint ? { pixel_values: { shape: [1, 3, imageSize, imageSize], value: 0 } } : {}) },
    float16,
  };
  return {
    width: projectionWidth,
    loadTokenizer: () => loadTextTokenizer(directory, { maxTokens, vocabularySize }),
    open: (session) => openModelFile(file, { ...session, ...model }),
  };
}
