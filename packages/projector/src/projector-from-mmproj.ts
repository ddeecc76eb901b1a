import type { WeightSource } from "@sightline/weights";
import { families } from "./families.js";
import { ProjectorError } from "./projector-error.js";
import type { Projector, ProjectorOptions } from "./projector-family.js";

/**
 * Reads the projector of an mmproj GGUF.
 * @throws ProjectorError for an unknown type, listing the known ones, or for tensors that do not fit
 */
export function projectorFromMmproj(source: WeightSource, options: ProjectorOptions = {}): Projector {
  const type = source.metadata.get("clip.projector_type") ?? source.metadata.get("clip.vision.projector_type");
  const family = families.find((known) => known.type === type);
  if (!family) {
    throw new ProjectorError(`${source.path}: clip.projector_type is ${type === undefined ? "missing" : `"${String(type)}"`}; known: ${families.map((known) => known.type).join(", ")}`);
  }
  return family.fromMmproj(source, options);
}
