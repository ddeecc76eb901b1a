import { fieldAt } from "@sightline/projector";
import { SightlineError } from "../sightline-error.js";
import type { PreparationFacts } from "./image-family.js";

/** A whole number of at least 1 from the GGUF's metadata, or from a field of preprocessor_config.json by its path. */
export function countOf(facts: PreparationFacts, key: string | undefined, field: string): number | undefined {
  const [where, value] = key !== undefined && facts.metadata.has(key) ? [key, facts.metadata.get(key)] : [field, processorField(facts, field)];
  if (value === undefined || value === null) return undefined;
  if (typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= 2 ** 24) return value;
  throw new SightlineError("model-mismatch", `readImageModel: ${where}: expected a whole number of at least 1, got ${JSON.stringify(value)}`);
}

/** A field of preprocessor_config.json by its path, `size.longest_edge`. */
export function processorField({ processorConfig }: PreparationFacts, path: string): unknown {
  return fieldAt(processorConfig, path);
}

/** A field of config.json by its path. */
export function modelField({ modelConfig }: PreparationFacts, path: string): unknown {
  return fieldAt(modelConfig, path);
}
