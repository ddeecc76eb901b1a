import { openSafetensors, writeSafetensors } from "@sightline/weights";
import type { AdamWState } from "./adamw.js";
import type { ParameterSet } from "./parameter-set.js";
import { buffersToWrite, readBuffers, trainingBuffers } from "./stored-buffers.js";

/** What a run needs besides its parameters in order to go on as if it had never stopped. */
export interface TrainingState {
  readonly optimizer: AdamWState;
  /** Steps taken. */
  step: number;
}

/**
 * Saves parameters and optimiser state as one safetensors file, atomically: a crash leaves the previous file whole.
 * Parameters are stored under their own names, so the file also opens as weights.
 */
export async function saveCheckpoint(path: string, parameters: ParameterSet, state: TrainingState): Promise<void> {
  const buffers = buffersToWrite(trainingBuffers(parameters, state.optimizer));
  await writeSafetensors(path, buffers, { step: String(state.step), optimizer_step: String(state.optimizer.step) });
}

/**
 * Loads a checkpoint into parameters and a fresh optimiser state.
 * @throws TrainingError when a parameter or a moment is missing or has another shape
 */
export async function loadCheckpoint(path: string, parameters: ParameterSet, optimizer: AdamWState): Promise<TrainingState> {
  await using file = await openSafetensors(path);
  await readBuffers("loadCheckpoint", file, path, trainingBuffers(parameters, optimizer));
  optimizer.step = Number(file.metadata.get("optimizer_step"));
  return { optimizer, step: Number(file.metadata.get("step")) };
}
