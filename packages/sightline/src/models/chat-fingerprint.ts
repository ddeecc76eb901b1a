import { createHash } from "node:crypto";
import { fingerprintOf } from "./fingerprint.js";
import { findModelFiles } from "./model-files.js";

/**
 * Tells vision-language models apart, for work that several processes share: a digest of samples of both files, the same
 * wherever they lie.
 * @param model as `loadVisionChat` takes it
 * @throws SightlineError `model-not-found`
 */
export async function chatFingerprint(model: string): Promise<string> {
  const { mmproj, decoder } = await findModelFiles(model);
  return createHash("sha256")
    .update(`${await fingerprintOf(mmproj)} ${await fingerprintOf(decoder)}`)
    .digest("hex");
}
