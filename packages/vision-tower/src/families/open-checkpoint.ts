import path from "node:path";
import type { Checkpoint, OpenCheckpointOptions } from "../checkpoint.js";
import { ConfigError } from "../config/config-error.js";
import { readJson } from "../config/read-json.js";
import { openSiglipCheckpoint } from "./siglip.js";
import { openSiglip2Checkpoint } from "./siglip2.js";

interface Family {
  /** Whether its logits are read through a sigmoid, each on its own. */
  readonly sigmoid: boolean;
  /** Whether images keep their shape, so that `maxPatches` bounds them and not `imageSize`. */
  readonly naflex?: boolean;
  readonly open: (directory: string, options: OpenCheckpointOptions) => Promise<Checkpoint>;
}

/** By `model_type` of config.json. */
const families: Readonly<Record<string, Family>> = {
  siglip: { sigmoid: true, open: openSiglipCheckpoint },
  siglip2: { sigmoid: true, naflex: true, open: openSiglip2Checkpoint },
};

/**
 * Opens a checkpoint by what its config.json says it is.
 * @param sigmoidOnly take none but the SigLIP family
 * @throws ConfigError naming the field and the known values; whatever the family throws
 */
export async function openCheckpoint(directory: string, options: OpenCheckpointOptions, sigmoidOnly: boolean): Promise<Checkpoint> {
  const file = path.join(directory, "config.json");
  const config = await readJson(file, options.signal);
  const type: unknown = typeof config === "object" && config !== null ? Reflect.get(config, "model_type") : undefined;
  const family = typeof type === "string" && Object.hasOwn(families, type) ? families[type] : undefined;
  if (!family || (sigmoidOnly && !family.sigmoid)) {
    const known = Object.keys(families).filter((name) => !sigmoidOnly || families[name]?.sigmoid);
    const elsewhere = family ? "; loadVisionTower takes it" : "";
    throw new ConfigError("openCheckpoint", file, `model_type: expected one of ${known.map((name) => `"${name}"`).join(", ")}, got ${JSON.stringify(type)}${elsewhere}`);
  }
  const [own, other] = family.naflex ? (["maxPatches", "imageSize"] as const) : (["imageSize", "maxPatches"] as const);
  if (options[other] !== undefined) {
    throw new ConfigError("openCheckpoint", file, `expected no ${other} for model_type "${type}", got ${options[other]}; ${own} sets the size of its images`);
  }
  return family.open(directory, options);
}
