import { openWeights } from "@sightline/weights";
import type { ImageModel } from "../image-model.js";
import { SightlineError } from "../sightline-error.js";
import type { ModelFiles } from "./model-files.js";

/**
 * Checks the decoder's file before native code opens it, and that it belongs to the projector, whose rows must have the
 * width that the decoder reads.
 * @throws WeightsError naming file, tensor and numbers; SightlineError `model-mismatch` naming both widths
 */
export async function checkModelPair(files: Pick<ModelFiles, "mmproj" | "decoder">, imageModel: Pick<ImageModel, "width">): Promise<void> {
  await using decoder = await openWeights(files.decoder);
  const architecture = decoder.metadata.get("general.architecture");
  const width = decoder.metadata.get(`${String(architecture)}.embedding_length`);
  if (typeof width !== "number") {
    throw new SightlineError("model-mismatch", `checkModelPair: ${files.decoder}: expected ${String(architecture)}.embedding_length to be a number, got ${String(width)}`);
  }
  // Qwen3-VL's rows carry, behind their own values, those that deeper layers add (deepstack).
  const levels = decoder.metadata.get(`${String(architecture)}.n_deepstack_layers`);
  const rowWidth = width * (1 + (typeof levels === "number" && levels > 0 ? levels : 0));
  if (imageModel.width !== rowWidth) {
    throw new SightlineError(
      "model-mismatch",
      `checkModelPair: the projector gives rows of width ${imageModel.width} (${files.mmproj}), but the decoder reads width ${rowWidth} (${files.decoder}); take both from one model`,
    );
  }
}
