import type { Device } from "@sightline/graph";
import { batchLimits, type BatchOptions } from "./batch-options.js";
import type { OpenCheckpointOptions, TowerName } from "./checkpoint.js";
import { openCheckpoint } from "./families/open-checkpoint.js";
import { checkPrecision, type Precision } from "./precision/precision.js";
import { Siglip } from "./siglip.js";
import { VisionTower, type TowerOptions } from "./vision-tower.js";

export interface LoadOptions {
  /** The CPU when left out. */
  readonly device?: Device;
  /** Threads of one operation; all cores when left out. */
  readonly threads?: number;
  /** Of the vision tower; exact float32 when left out. */
  readonly precision?: Precision;
  /** Which towers the checkpoint must have and may be asked for; both when left out. */
  readonly towers?: readonly TowerName[];
  /**
   * Side of the square that images are resized to, pixels, for another resolution than the checkpoint's; its positions
   * are interpolated. Not for NaFlex.
   */
  readonly imageSize?: number;
  /** The most patches that NaFlex gives an image, instead of the number in preprocessor_config.json. Only for NaFlex. */
  readonly maxPatches?: number;
  /** How images of overlapping calls share runs of the tower. */
  readonly batch?: BatchOptions;
  readonly signal?: AbortSignal;
}

/**
 * Loads a SigLIP checkpoint from a Hugging Face directory: config.json, preprocessor_config.json, tokenizer.json and
 * safetensors (SigLIP, and SigLIP 2 of one fixed resolution or NaFlex). Weights are checked here and read when a tower is first
 * used.
 * @throws ConfigError naming the file and the field; WeightsError naming the tensor, its expected and its actual shape
 */
export async function loadSiglip(directory: string, options: LoadOptions = {}): Promise<Siglip> {
  const tower = towerOptions(options);
  return new Siglip(await openCheckpoint(directory, checkpointOptions(options), true), tower);
}

/**
 * Loads a tower of any known family: SigLIP's, and those that people compare with it.
 * @throws as `loadSiglip`
 */
export async function loadVisionTower(directory: string, options: LoadOptions = {}): Promise<VisionTower> {
  const tower = towerOptions(options);
  return new VisionTower(await openCheckpoint(directory, checkpointOptions(options), false), tower);
}

function checkpointOptions({ towers = ["vision", "text"], imageSize, maxPatches, signal }: LoadOptions): OpenCheckpointOptions {
  return {
    towers,
    ...(imageSize === undefined ? {} : { imageSize }),
    ...(maxPatches === undefined ? {} : { maxPatches }),
    ...(signal ? { signal } : {}),
  };
}

function towerOptions({ device = "cpu", threads, precision = "float32", batch }: LoadOptions): TowerOptions {
  checkPrecision(precision);
  return { session: { device, ownThread: true, ...(threads === undefined ? {} : { threads }) }, precision, batch: batchLimits(batch) };
}
