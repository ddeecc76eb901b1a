import { createReadStream } from "node:fs";
import { byteLines } from "sightline/cli";
import { failuresFile, shardsIn } from "./run-folder.js";
import { readRunManifest, type BulkTask } from "./run-manifest.js";
import { readWorkers, type WorkerRecord } from "./worker-record.js";

/** How a run is. */
export interface RunStatus {
  readonly run: string;
  readonly task: BulkTask;
  readonly model: string;
  readonly complete: boolean;
  readonly shards: { readonly total: number; readonly done: number; readonly working: number };
  /** `done` counts those of finished shards, failures among them. */
  readonly images: { readonly total: number; readonly done: number; readonly failed: number };
  /** Images that could not be used; the first of them, and all are listed when the run is collected. */
  readonly failures: readonly { readonly path: string; readonly error: string }[];
  readonly workers: readonly WorkerRecord[];
  /** Of all workers. */
  readonly imagesPerSecond: number;
  /** At that rate; null while nobody works, 0 when all is done. */
  readonly secondsLeft: number | null;
}

const failuresShown = 20;

/**
 * How a run is, by what lies in its folder.
 * @throws SightlineError `bad-input` for a folder without a run
 */
export async function runStatus(run: string): Promise<RunStatus> {
  const { model, settings, shards, images: total } = await readRunManifest(run);
  const [parts, failing, workers] = await Promise.all([shardsIn(run, "parts", ".part"), shardsIn(run, "failures", ".jsonl"), readWorkers(run)]);
  let done = 0;
  for (const part of parts) done += shards[part]?.images ?? 0;
  const failures: { path: string; error: string }[] = [];
  let failed = 0;
  for (const shard of [...failing].sort((a, b) => a - b)) {
    // The list of a shard is there a moment before its part.
    if (!parts.has(shard)) continue;
    for await (const { bytes } of byteLines(createReadStream(failuresFile(run, shard)))) {
      failed++;
      if (failures.length < failuresShown) failures.push(JSON.parse(Buffer.from(bytes).toString()) as { path: string; error: string });
    }
  }
  const working = workers.filter(({ shard }) => shard !== undefined && !parts.has(shard));
  const imagesPerSecond = workers.reduce((sum, worker) => sum + worker.imagesPerSecond, 0);
  const begun = working.reduce((sum, worker) => sum + worker.shardImages, 0);
  const left = Math.max(0, total - done - begun);
  const complete = parts.size >= shards.length;
  return {
    run,
    task: settings.task,
    model,
    complete,
    shards: { total: shards.length, done: parts.size, working: new Set(working.map(({ shard }) => shard)).size },
    images: { total, done, failed },
    failures,
    workers,
    imagesPerSecond,
    secondsLeft: complete ? 0 : imagesPerSecond > 0 ? left / imagesPerSecond : null,
  };
}
