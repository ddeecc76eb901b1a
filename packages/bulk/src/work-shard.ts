import { readListedImages, SightlineError, type ImageInput } from "sightline";
import { Attempts } from "./attempts.js";
import { hasPart, writePart, type ImageOutcome } from "./part-file.js";
import type { RunManifest } from "./run-manifest.js";
import type { RunImage, ShardImages } from "./shard-images.js";
import type { ShardTask } from "./shard-task.js";

/** A run as a worker has it open. */
export interface OpenRun {
  readonly folder: string;
  readonly manifest: RunManifest;
  readonly images: ShardImages;
}

export interface WorkShardOptions {
  /** Names the worker in notes. */
  readonly worker: string;
  /** Gives the shard back, with its reason. */
  readonly signal: AbortSignal;
  /** Told after each image of the shard, and whether it failed. */
  readonly onImage?: (failed: boolean) => void;
}

/**
 * Does a shard, unless its part is there: every image has an outcome when it ends, and the part is on disk for good. To be
 * called again after a failure, by whoever; done twice at the same time, it comes to the same.
 * @returns whether there was anything to do
 * @throws what the task throws for more than one image; the signal's reason
 */
export async function workShard({ folder, manifest, images }: OpenRun, shard: number, task: ShardTask, options: WorkShardOptions): Promise<boolean> {
  options.signal.throwIfAborted();
  if (await hasPart(folder, manifest.id, shard)) return false;
  const attempts = new Attempts(folder, shard, options.worker);
  const { careful, poison } = await attempts.begin();
  try {
    const listed = await images.read(shard);
    const outcomes = new Map<string, ImageOutcome>();
    const usable: RunImage[] = [];
    const settle = (path: string, outcome: ImageOutcome): void => {
      outcomes.set(path, outcome);
      options.onImage?.("error" in outcome);
    };
    for (const image of listed) {
      if (image.problem !== undefined) settle(image.path, { error: image.problem });
      else if (poison.has(image.path)) settle(image.path, { error: `workShard: ${image.path}: workers that read it ended without a word, time after time; it was set aside` });
      else usable.push(image);
    }
    // One by one, an image meets the same code alone that it met in company.
    const groups = careful ? usable.map((image) => [image]) : [usable];
    for (const group of groups) {
      options.signal.throwIfAborted();
      if (careful) await attempts.image((group[0] as RunImage).path);
      for await (const { path, outcome } of task.outcomes(inputs(group, manifest.base), options.signal)) settle(path, outcome);
    }
    options.signal.throwIfAborted();
    const paths = listed.map(({ path }) => path);
    await writePart(folder, { run: manifest.id, shard, paths, outcomes: paths.map((path) => outcomeOf(outcomes, path)) });
    await attempts.forget();
    return true;
  } catch (error) {
    await attempts.end();
    throw error;
  }
}

async function* inputs(images: readonly RunImage[], base: string): AsyncGenerator<ImageInput> {
  yield* readListedImages(images, base);
}

function outcomeOf(outcomes: ReadonlyMap<string, ImageOutcome>, path: string): ImageOutcome {
  const outcome = outcomes.get(path);
  if (outcome) return outcome;
  throw new SightlineError("journal-damaged", `workShard: ${path}: nothing came of it`);
}
