import { rename } from "node:fs/promises";
import { SightlineError } from "sightline";
import { readPart, type ImageOutcome } from "./part-file.js";
import { partFile } from "./run-folder.js";
import type { RunManifest } from "./run-manifest.js";
import type { RunImage, ShardImages } from "./shard-images.js";
import { missingShards } from "./missing-shards.js";

/** A shard with what came of each of its images. */
export interface CollectedPart {
  readonly images: readonly { readonly image: RunImage; readonly outcome: ImageOutcome }[];
  /** D of its embeddings; 0 where it has none. */
  readonly width: number;
}

/**
 * The parts of a run in the order of its images, one in memory at a time. Each is held against the list of images: every image
 * must be there, in its place, once. A part that is damaged is put aside, so that its shard can be done again.
 * @throws SightlineError `journal-damaged`, `bad-input` when shards have no part
 */
export async function* collectedParts(run: string, manifest: RunManifest, images: ShardImages, signal: AbortSignal): AsyncGenerator<CollectedPart> {
  const missing = await missingShards(run, manifest);
  if (missing.length > 0) {
    throw new SightlineError("bad-input", `bulk collect: ${missing.length} of ${manifest.shards.length} shards have no part yet (${missing.slice(0, 5).join(", ")}${missing.length > 5 ? ", …" : ""}); finish them with: sightline bulk work --run ${run}`);
  }
  for (const shard of manifest.shards.keys()) {
    signal.throwIfAborted();
    const listed = await images.read(shard);
    let part: Awaited<ReturnType<typeof readPart>>;
    try {
      part = await readPart(run, shard);
      checkPart(part, manifest, shard, listed);
    } catch (cause) {
      const aside = `${partFile(run, shard)}.damaged`;
      await rename(partFile(run, shard), aside);
      throw new SightlineError("journal-damaged", `bulk collect: the part of shard ${shard} is damaged: ${(cause as Error).message}; it is ${aside} now, and sightline bulk work --run ${run} does the shard again`, { cause });
    }
    yield { images: listed.map((image, i) => ({ image, outcome: part.outcomes[i] as ImageOutcome })), width: part.width };
  }
}

/** @internal Exported for tests. */
export function checkPart({ run, shard: of, paths, outcomes }: Awaited<ReturnType<typeof readPart>>, { id, settings }: RunManifest, shard: number, listed: readonly RunImage[]): void {
  if (run !== id || of !== shard) throw new Error(`it is the part of shard ${of} of run ${run}`);
  if (paths.length !== listed.length) throw new Error(`expected ${listed.length} images, found ${paths.length}`);
  for (const [i, { path }] of listed.entries()) {
    if (paths[i] !== path) throw new Error(`expected image ${i} to be ${path}, found ${paths[i]}`);
    const outcome = outcomes[i] as ImageOutcome;
    if (!("error" in outcome) && !((settings.task === "embed" ? "embedding" : "caption") in outcome)) throw new Error(`${path} has a result of another task`);
  }
}
