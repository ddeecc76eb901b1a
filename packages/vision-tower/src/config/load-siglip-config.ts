import path from "node:path";

import type { NaflexPreprocessing } from "../pixels/naflex.js";
import type { Preprocessing } from "../pixels/preprocess.js";
import { ConfigError } from "./config-error.js";
import { checkImageSize, parseNaflexPreprocessorConfig, parsePreprocessorConfig } from "./preprocessor-config.js";
import { readJson } from "./read-json.js";
import { parseSiglip2Config, parseSiglipConfig } from "./siglip-config.js";
import type { Siglip2Config, SiglipConfig } from "./siglip-config.js";

/** What a model directory says about its model, besides the weights. */
export interface SiglipDirectory {
  readonly config: SiglipConfig;
  readonly preprocessing: Preprocessing;
}

/**
 * Reads `config.json` and `preprocessor_config.json` of a model directory.
 *
 * @throws ConfigError when one is missing, unknown in some field, or does not go with the other.
 */
export async function loadSiglipConfig(directory: string, options: { readonly signal?: AbortSignal } = {}): Promise<SiglipDirectory> {
  const configFile = path.join(directory, "config.json");
  const preprocessorFile = path.join(directory, "preprocessor_config.json");
  const config = parseSiglipConfig(await readJson(configFile, options.signal), configFile);
  const preprocessing = parsePreprocessorConfig(await readJson(preprocessorFile, options.signal), preprocessorFile);
  checkImageSize(preprocessing, config.vision.imageSize, preprocessorFile);
  return { config, preprocessing };
}

/** What a model directory of SigLIP 2 NaFlex says about its model, besides the weights. */
export interface Siglip2Directory {
  readonly config: Siglip2Config;
  readonly preprocessing: NaflexPreprocessing;
}

/**
 * As `loadSiglipConfig`, for SigLIP 2 NaFlex.
 *
 * @throws ConfigError likewise.
 */
export async function loadSiglip2Config(directory: string, options: { readonly signal?: AbortSignal } = {}): Promise<Siglip2Directory> {
  const configFile = path.join(directory, "config.json");
  const preprocessorFile = path.join(directory, "preprocessor_config.json");
  const config = parseSiglip2Config(await readJson(configFile, options.signal), configFile);
  const preprocessing = parseNaflexPreprocessorConfig(await readJson(preprocessorFile, options.signal), preprocessorFile);
  if (preprocessing.patchSize !== config.vision.patchSize) {
    throw new ConfigError("loadSiglip2Config", preprocessorFile, `patch_size: expected the tower's ${config.vision.patchSize}, got ${preprocessing.patchSize}; take both files from one checkpoint`);
  }
  return { config, preprocessing };
}
