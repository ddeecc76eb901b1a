import { openSafetensors, writeSafetensors } from "@sightline/weights";
import type { AdamWState } from "../adamw.js";
import type { DataPosition } from "../data/shuffled-batches.js";
import type { MovingAverageState } from "../moving-average.js";
import type { ParameterSet } from "../parameter-set.js";
import { buffersToWrite, readBuffers, trainingBuffers, type StoredBuffer } from "../stored-buffers.js";
import { TrainingError } from "../training-error.js";

/** The best checkpoint so far, by the figure that the run watches. */
export interface BestSoFar {
  readonly step: number;
  readonly value: number;
}

/** Everything that a run needs, besides its parameters, to go on as if it had never stopped. */
export interface RunState {
  readonly optimizer: AdamWState;
  readonly average?: MovingAverageState;
  /** Steps taken. */
  step: number;
  /** Where the data of the next step starts. */
  position: DataPosition;
  best?: BestSoFar;
}

/**
 * Saves parameters and state as one safetensors file, atomically (written beside its place, flushed, renamed): a crash or
 * a full disk leaves the previous file whole. Parameters keep their names, so the file also opens as weights.
 * @param settings what the run was started with, compared when it is resumed
 * @throws WeightsError when it cannot be written
 */
export async function saveRunState(file: string, parameters: ParameterSet, state: RunState, settings: Readonly<Record<string, string>>): Promise<void> {
  const { optimizer, average, step, position, best } = state;
  await writeSafetensors(
    file,
    buffersToWrite(buffersOf(parameters, state)),
    {
      step: String(step),
      optimizer_step: String(optimizer.step),
      epoch: String(position.epoch),
      epoch_batch: String(position.batch),
      ...(average ? { average_step: String(average.step) } : {}),
      ...(best ? { best: JSON.stringify(best) } : {}),
      settings: JSON.stringify(settings),
    },
  );
}

/**
 * Loads a saved state into parameters and buffers.
 * @throws TrainingError when a tensor is missing or of another shape, or the run was started with other settings
 */
export async function loadRunState(file: string, parameters: ParameterSet, state: RunState, settings: Readonly<Record<string, string>>): Promise<void> {
  await using stored = await openSafetensors(file);
  const { metadata } = stored;
  const before = JSON.parse(String(metadata.get("settings") ?? "{}")) as Record<string, string>;
  for (const name of new Set([...Object.keys(before), ...Object.keys(settings)])) {
    if (before[name] === settings[name]) continue;
    throw new TrainingError(`loadRunState: ${file} was made with ${name} = ${before[name] ?? "nothing"}, and this run has ${settings[name] ?? "nothing"}; resume with the same configuration, or start a new run from its weights`);
  }
  await readBuffers("loadRunState", stored, file, buffersOf(parameters, state), "; what is trained must be the same as before");
  const number = (name: string): number => Number(metadata.get(name));
  state.step = number("step");
  state.position = { epoch: number("epoch"), batch: number("epoch_batch") };
  state.optimizer.step = number("optimizer_step");
  if (state.average) state.average.step = number("average_step");
  const best = metadata.get("best");
  if (best !== undefined) state.best = JSON.parse(String(best)) as BestSoFar;
}

function buffersOf(parameters: ParameterSet, { optimizer, average }: RunState): readonly StoredBuffer[] {
  return [...trainingBuffers(parameters, optimizer), ...(average ? [{ name: "moving_average", shape: [average.values.length], data: average.values }] : [])];
}

/** The best step so far when a checkpoint was saved; undefined where none was watched. */
export async function bestStepOf(file: string): Promise<number | undefined> {
  await using stored = await openSafetensors(file);
  const best = stored.metadata.get("best");
  return best === undefined ? undefined : (JSON.parse(String(best)) as BestSoFar).step;
}

/** The parameters of a checkpoint, their moving average where it has one. */
export async function loadBestParameters(file: string, parameters: ParameterSet): Promise<void> {
  await using stored = await openSafetensors(file);
  if (stored.tensors.has("moving_average")) parameters.values.set(await stored.readFloat32("moving_average"));
  else for (const { name } of parameters.slots) parameters.get(name).set(await stored.readFloat32(name));
}
