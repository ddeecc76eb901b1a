import { openModelFile, type FileOutput, type ModelFileOptions } from "@sightline/graph";
import { narrowFloat16, widenFloat16 } from "@sightline/weights";
import type { Checkpoint, OpenCheckpointOptions, PatchGrid, TextPart, VisionPart } from "../checkpoint.js";
import type { LogitScale } from "../cosine-logits.js";
import type { DecodedImage } from "../pixels/decode-image.js";
import type { PixelBatch } from "../pixels/preprocess.js";
import type { TextTokenizer } from "../text/load-text-tokenizer.js";
import { readLogitConstants } from "./logit-constants.js";
import type { OnnxFiles, TowerFile } from "./onnx-files.js";

/** What a family's configuration says about its ONNX files. */
export interface OnnxModel {
  readonly vision: {
    /** D */
    readonly width: number;
    readonly imageSize: number;
    readonly grid: PatchGrid;
    readonly preprocess: (images: readonly DecodedImage[]) => PixelBatch;
    /** The outputs of `vision_model`; one of both towers always says `image_embeds`. Without patch tokens, P is 0. */
    readonly outputs: { readonly patchTokens?: string; readonly pooled: string };
  };
  readonly text: {
    /** T */
    readonly maxTokens: number;
    readonly loadTokenizer: () => Promise<TextTokenizer>;
    /** The output of `text_model`; one of both towers always says `text_embeds`. */
    readonly output: string;
  };
  /** The width of the embeddings. */
  readonly pooledWidth: number;
}

const float16 = { narrow: narrowFloat16, widen: widenFloat16 };

/**
 * The towers of a directory's ONNX files, and the scale and bias of their logits where a file of both towers has them.
 * Such a file runs both towers whichever is asked for: the other one gets a single blank input.
 * @throws RangeError for another image size than the files'; GraphError for a file that is no ONNX model
 */
export async function onnxCheckpoint(directory: string, model: OnnxModel, { imageSize }: OpenCheckpointOptions, files: OnnxFiles): Promise<Checkpoint> {
  const own = model.vision.imageSize;
  if (imageSize !== undefined && imageSize !== own) {
    throw new RangeError(`loadVisionTower: expected imageSize ${own}, the one of the ONNX files, got ${imageSize}; other sizes need safetensors`);
  }
  const { vision, text } = files.towers;
  const logits = vision && text ? await firstLogitConstants(files.joint) : undefined;
  return {
    path: directory,
    ...(vision ? { vision: visionPart(model, vision) } : {}),
    ...(text ? { text: textPart(model, text) } : {}),
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

function visionPart({ vision, text, pooledWidth }: OnnxModel, { file, joint }: TowerFile): VisionPart {
  const { width, imageSize, grid, preprocess, outputs } = vision;
  const hasPatches = outputs.patchTokens !== undefined && !joint;
  const patches = hasPatches ? grid.rows * grid.columns : 0;
  const pooled: FileOutput = { names: [joint ? "image_embeds" : outputs.pooled], dtype: "float32", shape: ["B", pooledWidth] };
  const patchTokens: FileOutput = { names: [outputs.patchTokens ?? ""], dtype: "float32", shape: ["B", patches, width] };
  const model: ModelFileOptions = {
    inputs: { pixels: { name: "pixel_values", dtype: "float32", shape: ["B", 3, imageSize, imageSize] } },
    outputs: hasPatches ? { patchTokens, pooled } : { pooled },
    filled: joint ? { input_ids: { shape: [1, text.maxTokens], value: 0 }, attention_mask: { shape: [1, text.maxTokens], value: 1 } } : {},
    float16,
  };
  return {
    width,
    pooledWidth,
    prepare: (images) => {
      const { data, shape } = preprocess(images);
      return { feeds: { pixels: { dtype: "float32", shape, data } }, grids: images.map(() => grid), patches };
    },
    open: (options) => openModelFile(file, { ...options, ...model }),
  };
}

function textPart({ vision: { imageSize }, text, pooledWidth }: OnnxModel, { file, joint }: TowerFile): TextPart {
  const { maxTokens, loadTokenizer, output } = text;
  const model: ModelFileOptions = {
    inputs: { tokens: { name: "input_ids", dtype: "int64", shape: ["B", maxTokens] } },
    outputs: { embeddings: { names: [joint ? "text_embeds" : output], dtype: "float32", shape: ["B", pooledWidth] } },
    // Nothing is masked: SigLIP was trained to see its padding, and CLIP looks at nothing after the end token.
    filled: { attention_mask: { shape: ["B", maxTokens], value: 1 }, ...(joint ? { pixel_values: { shape: [1, 3, imageSize, imageSize], value: 0 } } : {}) },
    float16,
  };
  return { width: pooledWidth, loadTokenizer, open: (options) => openModelFile(file, { ...options, ...model }) };
}
