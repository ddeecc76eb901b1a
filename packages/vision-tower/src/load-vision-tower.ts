import type { Device } from "@sightline/graph";
import { batchLimits, type BatchOptions } from "./batch-options.js";
import type { Checkpoint, TowerName } from "./checkpoint.js";
import type { OnnxVariant } from "./hub-onnx/onnx-files.js";
import { checkpointDirectory } from "./config/checkpoint-directory.js";
import { openCheckpoint } from "./families/open-checkpoint.js";
import { checkPrecision, type Precision } from "./precision/precision.js";
import { Siglip } from "./siglip.js";
import { VisionTower, type TowerOptions } from "./vision-tower.js";

/** Settings of `loadSiglip` and `loadVisionTower`. */
export interface LoadOptions {
  /** The CPU when left out. */
  readonly device?: Device;
  /** Threads of one operation; all cores when left out. */
  readonly threads?: number;
  /** Of the vision tower; exact float32 when left out. */
  readonly precision?: Precision;
  /** Which towers the checkpoint must have and may be asked for; those that its family has when left out. */
  readonly towers?: readonly TowerName[];
  /**
   * Side of the square that images are resized to, pixels, for another resolution than the checkpoint's; its positions
   * are interpolated. Not for NaFlex.
   */
  readonly imageSize?: number;
  /** The most patches that NaFlex gives an image, instead of the number in preprocessor_config.json. Only for NaFlex. */
  readonly maxPatches?: number;
  /**
   * Which weights of a directory to take: its safetensors, where it has them, when left out; then the ONNX files of
   * transformers.js' layout (`onnx/vision_model.onnx`, `onnx/text_model.onnx`; or `onnx/model.onnx`, which has no patch
   * tokens and gives embeddings of unit length).
   */
  readonly format?: "safetensors" | "onnx";
  /** Which of the ONNX files, "fp32" when left out; naming one means `format: "onnx"`. Its precision is its own. */
  readonly variant?: OnnxVariant;
  /** t, which multiplies cosines in logits, instead of the checkpoint's; ONNX files without a `model.onnx` lack it. */
  readonly logitScale?: number;
  /** b, which is added to them, likewise. */
  readonly logitBias?: number;
  /** How images of overlapping calls share runs of the tower. */
  readonly batch?: BatchOptions;
  readonly signal?: AbortSignal;
}

/**
 * Loads a SigLIP checkpoint from a Hugging Face directory: config.json, preprocessor_config.json, tokenizer.json and
 * safetensors (SigLIP, and SigLIP 2 of one fixed resolution or NaFlex) or transformers.js' ONNX files (of one fixed
 * resolution); or the vision tower of an mmproj GGUF, whose `pooled` is empty. A hub name ("google/siglip2-base-patch16-224")
 * that is no path is looked for in the Hugging Face cache; nothing is fetched. Weights are checked here and read when a
 * tower is first used.
 * @throws ConfigError naming the file and the field; WeightsError naming the tensor, its expected and its actual shape
 */
export async function loadSiglip(directory: string, options: LoadOptions = {}): Promise<Siglip> {
  const tower = towerOptions(options);
  return new Siglip(await open(directory, options, true), tower);
}

/**
 * Loads a tower of any known family: SigLIP's, and those that people compare with it. CLIP and DINOv2 (with registers or
 * without) come from Hugging Face directories as SigLIP does; EVA-02-CLIP, and CLIP in open_clip's layout, from
 * directories with `open_clip_config.json` and `open_clip_model.safetensors`. DINOv2 has no text tower.
 * @throws as `loadSiglip`
 */
export async function loadVisionTower(directory: string, options: LoadOptions = {}): Promise<VisionTower> {
  const tower = towerOptions(options);
  return new VisionTower(await open(directory, options, false), tower);
}

async function open(where: string, { towers, imageSize, maxPatches, format, variant, logitScale, logitBias, signal }: LoadOptions, sigmoidOnly: boolean): Promise<Checkpoint> {
  for (const [name, value] of Object.entries({ logitScale, logitBias })) {
    if (value !== undefined && !Number.isFinite(value)) throw new RangeError(`loadSiglip: expected ${name} to be a finite number, got ${value}`);
  }
  const checkpoint = await openCheckpoint(
    await checkpointDirectory(where),
    {
      ...(towers === undefined ? {} : { towers }),
      ...(imageSize === undefined ? {} : { imageSize }),
      ...(maxPatches === undefined ? {} : { maxPatches }),
      ...(format === undefined ? {} : { format }),
      ...(variant === undefined ? {} : { variant }),
      ...(signal ? { signal } : {}),
    },
    sigmoidOnly,
  );
  return { ...checkpoint, ...(logitScale === undefined ? {} : { logitScale }), ...(logitBias === undefined ? {} : { logitBias }) };
}

function towerOptions({ device = "cpu", threads, precision = "float32", batch }: LoadOptions): TowerOptions {
  checkPrecision(precision);
  return { session: { device, ownThread: true, ...(threads === undefined ? {} : { threads }) }, precision, batch: batchLimits(batch) };
}
