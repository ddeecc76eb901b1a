import type { WeightSource } from "@sightline/weights";
import { idefics3 } from "./families/idefics3.js";
import { mlp } from "./families/mlp.js";
import { ProjectorError } from "./projector-error.js";
import type { Projector, ProjectorFamily, ProjectorOptions } from "./projector-family.js";

/** The known families by `clip.projector_type`; adding one is a file and a line here. */
const families: Readonly<Record<string, ProjectorFamily>> = { idefics3, mlp };

/**
 * Reads the projector of an mmproj GGUF.
 * @throws ProjectorError for an unknown type, listing the known ones, or for tensors that do not fit
 */
export function projectorFromMmproj(source: WeightSource, options: ProjectorOptions = {}): Projector {
  const type = source.metadata.get("clip.projector_type") ?? source.metadata.get("clip.vision.projector_type");
  const family = typeof type === "string" && Object.hasOwn(families, type) ? families[type] : undefined;
  if (!family) {
    throw new ProjectorError(`${source.path}: clip.projector_type is ${type === undefined ? "missing" : `"${String(type)}"`}; known: ${Object.keys(families).join(", ")}`);
  }
  return family(source, options);
}
