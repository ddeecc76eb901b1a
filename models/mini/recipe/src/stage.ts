import path from "node:path";
import type { TensorValue } from "@sightline/graph";
import type { CosineSchedule, ParameterSet, ParameterSlot, TrainingGraph } from "@sightline/contrastive";
import type { Random } from "./scenes/random.js";

/** One stage of the recipe: what is trained, on what, for how long. Every replica makes its own from the same options. */
export interface Stage {
  /** Names the stage's checkpoint and log. */
  readonly name: string;
  readonly training: TrainingGraph;
  readonly schedule: CosineSchedule;
  readonly weightDecay: number;
  /** Samples of one replica's step. */
  readonly batchSize: number;
  readonly seed: number;
  readonly rateFactor?: (slot: ParameterSlot) => number;
  /** @param progress share of the stage that is done, so that pictures may get harder */
  readonly batch: (rng: Random, progress: number) => Record<string, TensorValue>;
  /** Fills parameters that no checkpoint gives. */
  readonly initialise: (parameters: ParameterSet) => Promise<void>;
  /** Figures for the log, taken every `evaluateEvery` steps (a multiple of the checkpoints' distance) and at the end. */
  readonly evaluate?: (parameters: ParameterSet) => Promise<Record<string, number>>;
  readonly evaluateEvery: number;
}

export type StageName = "towers" | "chat" | "questions" | "mixed";

export interface StageOptions {
  readonly stage: StageName;
  /** Where checkpoints, logs and tokenizers of this run lie. */
  readonly folder: string;
  readonly steps: number;
}

/** A stage's checkpoint (`safetensors`) or log (`jsonl`). */
export function stageFile({ folder, stage }: StageOptions, extension: "safetensors" | "jsonl"): string {
  return path.join(folder, `${stage}.${extension}`);
}
