import { openSafetensors, writeSafetensors } from "@sightline/weights";
import type { AdamWState } from "./adamw.js";
import type { ParameterSet } from "./parameter-set.js";
import { TrainingError } from "./training-error.js";

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
  const { firstMoment, secondMoment, step: optimizerStep } = state.optimizer;
  const length = [firstMoment.length];
  await writeSafetensors(
    path,
    [
      ...parameters.slots.map(({ name, shape }) => ({ name, dtype: "F32" as const, shape, data: parameters.get(name) })),
      { name: "adamw.first_moment", dtype: "F32" as const, shape: length, data: firstMoment },
      { name: "adamw.second_moment", dtype: "F32" as const, shape: length, data: secondMoment },
    ],
    { step: String(state.step), optimizer_step: String(optimizerStep) },
  );
}

/**
 * Loads a checkpoint into parameters and a fresh optimiser state.
 * @throws TrainingError when a parameter or a moment is missing or has another shape
 */
export async function loadCheckpoint(path: string, parameters: ParameterSet, optimizer: AdamWState): Promise<TrainingState> {
  await using file = await openSafetensors(path);
  const { firstMoment, secondMoment } = optimizer;
  const moments = [
    { name: "adamw.first_moment", shape: [firstMoment.length], into: firstMoment },
    { name: "adamw.second_moment", shape: [secondMoment.length], into: secondMoment },
  ];
  for (const { name, shape, into } of [...parameters.slots.map(({ name, shape }) => ({ name, shape, into: parameters.get(name) })), ...moments]) {
    const stored = file.tensors.get(name);
    if (!stored || stored.shape.join() !== shape.join()) {
      throw new TrainingError(`loadCheckpoint: "${name}" expected [${shape.join(", ")}], got ${stored ? `[${stored.shape.join(", ")}]` : "nothing"} in ${path}`);
    }
    into.set(await file.readFloat32(name));
  }
  optimizer.step = Number(file.metadata.get("optimizer_step"));
  return { optimizer, step: Number(file.metadata.get("step")) };
}
