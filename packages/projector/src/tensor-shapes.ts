import type { WeightSource } from "@sightline/weights";
import { ProjectorError } from "./projector-error.js";

/** The shape [out, in] of a matrix that a projector needs. Throws ProjectorError when it is not there. */
export function matrixShape(source: WeightSource, name: string): readonly [number, number] {
  const shape = source.tensors.get(name)?.shape;
  if (shape?.length !== 2) {
    throw new ProjectorError(`${source.path}: the projector needs the matrix "${name}", got ${shape ? `[${shape.join(", ")}]` : "nothing"}`);
  }
  return shape as unknown as readonly [number, number];
}
