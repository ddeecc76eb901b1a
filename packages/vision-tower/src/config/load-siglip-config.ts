import path from "node:path";

import type { Preprocessing } from "../pixels/preprocess.js";
import { checkImageSize, parsePreprocessorConfig } from "./preprocessor-config.js";
import { readJson } from "./read-json.js";
import { parseSiglipConfig } from "./siglip-config.js";
import type { SiglipConfig } from "./siglip-config.js";

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
