import type { WeightSource } from "@sightline/weights";
import { ProjectorError } from "./projector-error.js";
import type { CheckpointConfig } from "./projector-family.js";

/** A field of config.json by its path, `vision_config.patch_size`; `undefined` where there is none. */
export function fieldAt(config: unknown, path: string): unknown {
  return path.split(".").reduce<unknown>((value, key) => (typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined), config);
}

/** A whole number of at least 1 from config.json. Throws ProjectorError when it is something else and has no default. */
export function countAt(source: WeightSource, config: CheckpointConfig, path: string, whenMissing?: number): number {
  const value = fieldAt(config, path) ?? whenMissing;
  if (typeof value !== "number" || !Number.isInteger(value) || value < 1) {
    throw new ProjectorError(`${source.path}: config.json: expected ${path} to be a whole number of at least 1, got ${JSON.stringify(value)}`);
  }
  return value;
}

/** The GELU that config.json names at `path`. Throws ProjectorError when it names something else. */
export function geluAt(source: WeightSource, config: CheckpointConfig, path: string): "tanh" | "erf" {
  const act = fieldAt(config, path) ?? "gelu";
  if (act === "gelu") return "erf";
  if (act === "gelu_pytorch_tanh") return "tanh";
  throw new ProjectorError(`${source.path}: config.json: expected ${path} to be "gelu" or "gelu_pytorch_tanh", got ${JSON.stringify(act)}`);
}

/**
 * The full name of the one tensor that ends with `ending`, at the start of a name or after a dot.
 * Throws ProjectorError when there is none or more than one.
 */
export function tensorEnding(source: WeightSource, ending: string): string {
  const found = [...source.tensors.keys()].filter((name) => name === ending || name.endsWith(`.${ending}`));
  if (found.length !== 1) {
    throw new ProjectorError(`${source.path}: the projector needs one tensor called "${ending}", got ${found.length === 0 ? "none" : found.join(", ")}`);
  }
  return found[0] as string;
}
