import type { WeightSource } from "@sightline/weights";
import { families } from "./families.js";
import { ProjectorError } from "./projector-error.js";
import type { CheckpointConfig, Projector } from "./projector-family.js";

/**
 * Reads the projector of a Hugging Face vision-language checkpoint. Names are found by how they end, since releases of
 * transformers put different words before them (`model.`, `vision_tower.vision_model.`).
 * @param config the value of its config.json
 * @throws ProjectorError for an unknown `model_type`, listing the known ones, or for tensors that do not fit
 */
export function projectorFromCheckpoint(source: WeightSource, config: unknown): Projector {
  const fields = (typeof config === "object" && config !== null ? config : {}) as CheckpointConfig;
  const type = fields["model_type"];
  const family = families.find(({ modelTypes }) => typeof type === "string" && modelTypes.includes(type));
  if (!family) {
    const known = families.flatMap(({ modelTypes }) => modelTypes).toSorted();
    throw new ProjectorError(`${source.path}: model_type is ${type === undefined ? "missing" : JSON.stringify(type)}; known: ${known.join(", ")}`);
  }
  return family.fromCheckpoint(source, fields);
}
