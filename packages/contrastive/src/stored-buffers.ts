import type { TensorToWrite, WeightSource } from "@sightline/weights";
import type { AdamWState } from "./adamw.js";
import type { ParameterSet } from "./parameter-set.js";
import { TrainingError } from "./training-error.js";

/** A float32 buffer and the name that it is stored under. */
export interface StoredBuffer {
  readonly name: string;
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** Parameters under their own names, and the optimiser's moments. */
export function trainingBuffers(parameters: ParameterSet, { firstMoment, secondMoment }: AdamWState): readonly StoredBuffer[] {
  return [
    ...parameters.slots.map(({ name, shape }) => ({ name, shape, data: parameters.get(name) })),
    { name: "adamw.first_moment", shape: [firstMoment.length], data: firstMoment },
    { name: "adamw.second_moment", shape: [secondMoment.length], data: secondMoment },
  ];
}

export function buffersToWrite(buffers: readonly StoredBuffer[]): TensorToWrite[] {
  return buffers.map((buffer) => ({ ...buffer, dtype: "F32" as const }));
}

/**
 * Fills buffers from a file, once all of them are known to be there.
 * @param advice what to do, said after the problem
 * @throws TrainingError naming the caller and the buffer, when one is missing or of another shape
 */
export async function readBuffers(caller: string, stored: WeightSource, file: string, buffers: readonly StoredBuffer[], advice = ""): Promise<void> {
  for (const { name, shape } of buffers) {
    const tensor = stored.tensors.get(name);
    if (tensor?.shape.join() === shape.join()) continue;
    throw new TrainingError(`${caller}: "${name}" expected [${shape.join(", ")}], got ${tensor ? `[${tensor.shape.join(", ")}]` : "nothing"} in ${file}${advice}`);
  }
  for (const { name, data } of buffers) data.set(await stored.readFloat32(name));
}
