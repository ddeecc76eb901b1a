import { projectorFromMmproj } from "@sightline/projector";
import { openWeights } from "@sightline/weights";
import { SightlineError } from "../sightline-error.js";
import type { ModelFiles } from "./model-files.js";

/**
 * Checks both GGUF files before native code opens one of them, and that they belong together: the projector must give
 * rows of the width that the decoder reads.
 * @throws WeightsError naming file, tensor and numbers; SightlineError `model-mismatch` naming both widths
 */
export async function checkModelPair(files: ModelFiles): Promise<void> {
  await using mmproj = await openWeights(files.mmproj);
  await using decoder = await openWeights(files.decoder);
  const architecture = decoder.metadata.get("general.architecture");
  const width = decoder.metadata.get(`${String(architecture)}.embedding_length`);
  if (typeof width !== "number") {
    throw new SightlineError("model-mismatch", `checkModelPair: ${files.decoder}: expected ${String(architecture)}.embedding_length to be a number, got ${String(width)}`);
  }
  const projector = projectorFromMmproj(mmproj);
  if (projector.outputWidth !== width) {
    throw new SightlineError(
      "model-mismatch",
      `checkModelPair: the projector gives rows of width ${projector.outputWidth} (${files.mmproj}), but the decoder reads width ${width} (${files.decoder}); take both from one model`,
    );
  }
}
