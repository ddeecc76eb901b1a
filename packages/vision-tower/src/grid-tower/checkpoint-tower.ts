import path from "node:path";
import type { WeightSource } from "@sightline/weights";
import { readJson } from "../config/read-json.js";
import { qwen3ModelTypes, readCheckpointQwen3 } from "../huggingface/read-checkpoint-qwen3.js";
import { readCheckpointVision } from "../huggingface/read-checkpoint-vision.js";
import type { GridTower } from "./grid-tower.js";
import { qwen3GridTower } from "./qwen3-grid-tower.js";
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
export async function checkpointTower(directory: string, source: WeightSource, { signal }: { readonly signal?: AbortSignal } = {}): Promise<CheckpointTower> {
  const modelConfig = await readJson(path.join(directory, "config.json"), signal);
  const type: unknown = typeof modelConfig === "object" && modelConfig !== null ? Reflect.get(modelConfig, "model_type") : undefined;
  if (typeof type === "string" && qwen3ModelTypes.includes(type)) {
    const vision = await readCheckpointQwen3(directory, source, modelConfig, signal);
    return { ...qwen3GridTower(source, vision), modelConfig, processorConfig: vision.processorConfig };
  }
  const vision = await readCheckpointVision(directory, source, signal ? { signal } : {});
  return { ...siglipGridTower(source, vision), modelConfig, processorConfig: vision.processorConfig };
}
