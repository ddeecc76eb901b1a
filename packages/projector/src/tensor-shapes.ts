import { formatShape, type Tensor } from "@sightline/graph";
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

/** Throws ProjectorError when patch tokens have another width than a projector's first matrix was made for. */
export function expectWidth(path: string, patchTokens: Tensor, width: number): void {
  if (patchTokens.shape.at(-1) !== width) {
    throw new ProjectorError(`${path}: the projector reads patch tokens of width ${width}, but the tower gives ${formatShape(patchTokens.shape)}; take both from one model`);
  }
}

/** A whole number of at least 1 from an mmproj GGUF. Throws ProjectorError when it is something else and has no default. */
export function countOf(source: WeightSource, key: string, whenMissing?: number): number {
  const value = source.metadata.get(key) ?? whenMissing;
  if (typeof value !== "number" || !Number.isInteger(value) || value < 1) {
    throw new ProjectorError(`${source.path}: expected ${key} to be a whole number of at least 1, got ${String(value)}`);
  }
  return value;
}
