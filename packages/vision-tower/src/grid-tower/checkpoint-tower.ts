import type { WeightSource } from "@sightline/weights";
import { readCheckpointVision } from "../huggingface/read-checkpoint-vision.js";
import type { GridTower } from "./grid-tower.js";
import { siglipGridTower } from "./siglip-grid-tower.js";

/** The tower of a Hugging Face checkpoint, and the files' values for those who read on. */
export interface CheckpointTower extends GridTower {
  /** The value of config.json. */
  readonly modelConfig: unknown;
  /** The value of preprocessor_config.json, or of `image_processor` in processor_config.json. */
  readonly processorConfig: unknown;
}

/**
 * The tower of a Hugging Face vision-language checkpoint, ready to be built for grids.
 * @throws ConfigError naming the file and the field; WeightsError when the weights do not fit
 */
export async function checkpointTower(directory: string, source: WeightSource, options: { readonly signal?: AbortSignal } = {}): Promise<CheckpointTower> {
  const vision = await readCheckpointVision(directory, source, options);
  return { ...siglipGridTower(source, vision), modelConfig: vision.modelConfig, processorConfig: vision.processorConfig };
}
