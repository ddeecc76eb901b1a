import { fingerprintOf } from "./fingerprint.js";
import { siglipDirectory } from "./siglip-directory.js";

/**
 * Tells SigLIP checkpoints apart, for files of embeddings that must not be compared with another model's: a digest of samples
 * of the weights and settings, the same wherever the checkpoint lies.
 * @param model as `loadSiglip` takes it, or "mini"
 * @throws ConfigError for a hub name that is not in the cache
 */
export async function siglipFingerprint(model: string): Promise<string> {
  return fingerprintOf(await siglipDirectory(model));
}
