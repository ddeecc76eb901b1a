import { embedImages, SightlineError, siglipFingerprint } from "sightline";
import { openSiglip } from "sightline/cli";
import type { EmbedSettings, RunManifest } from "./run-manifest.js";
import type { ShardTask, WorkerSettings } from "./shard-task.js";

/** Embeds images with the vision tower of a SigLIP checkpoint. */
export async function openEmbedTask(manifest: RunManifest, settings: EmbedSettings, { model = manifest.model, device = "cpu", threads }: WorkerSettings, signal: AbortSignal): Promise<ShardTask> {
  checkFingerprint(manifest, model, await siglipFingerprint(model));
  const { normalize, batch, precision, imageSize, maxPatches } = settings;
  const siglip = await openSiglip(
    { model, device, precision, ...(threads === undefined ? {} : { threads }), ...(imageSize === undefined ? {} : { imageSize }), ...(maxPatches === undefined ? {} : { maxPatches }) },
    { towers: ["vision"], signal },
  );
  return {
    async *outcomes(images, signal) {
      for await (const embedded of embedImages(siglip, images, { normalize, batch, signal })) {
        yield { path: embedded.path, outcome: "error" in embedded ? { error: embedded.error.message } : { embedding: embedded.embedding } };
      }
    },
    [Symbol.asyncDispose]: () => siglip[Symbol.asyncDispose](),
  };
}

/** Workers of one run must make the same of an image, wherever they are. */
export function checkFingerprint({ fingerprint, model: named }: RunManifest, model: string, found: string): void {
  if (found === fingerprint) return;
  throw new SightlineError("model-mismatch", `bulk work: the run was submitted for ${named} (${fingerprint.slice(0, 12)}), and ${model} is another model here (${found.slice(0, 12)}); say where the same one lies with --model`);
}
