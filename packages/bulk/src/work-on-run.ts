import { openCaptionTask } from "./caption-task.js";
import { openEmbedTask } from "./embed-task.js";
import { workOnFolder } from "./folder-worker.js";
import { workOnQueue } from "./queue-worker.js";
import { connectRedis, redisName, type RedisConnection } from "./redis-connection.js";
import { makeRunFolders } from "./run-folder.js";
import { readRunManifest, type RunManifest } from "./run-manifest.js";
import { ShardImages } from "./shard-images.js";
import type { ShardTask, WorkerSettings } from "./shard-task.js";
import { missingShards } from "./missing-shards.js";
import { workerName, WorkerReport, type WorkerRecord } from "./worker-record.js";

export interface WorkOptions extends WorkerSettings {
  /** The run's folder. */
  readonly run: string;
  /** Takes shards from the run's queue in this Redis; from the folder itself when left out. */
  readonly redis?: string | undefined;
  /** The shards that are this worker's business, without a queue; all when left out. */
  readonly shards?: readonly number[] | undefined;
  /** A worker that gives no sign for so many seconds has lost its shard to another; 30 when left out. */
  readonly staleSeconds?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called as the work goes on. */
  readonly onProgress?: ((record: WorkerRecord) => void) | undefined;
  /** Told in a line what people may want to know: that Redis went away, or came back. */
  readonly onNotice?: ((notice: string) => void) | undefined;
}

export const usualStaleSeconds = 30;

/**
 * Works on a run until every shard has its part, those that others do included. Any number of workers may do so at the same
 * time, on any number of machines, and come and go.
 * @returns what this worker did
 * @throws SightlineError `bad-input` for a folder without a run, a Redis that does not answer, or shards that failed time after
 *   time; `model-mismatch`; the signal's reason, after the shard under way was given back
 */
export async function workOnRun(options: WorkOptions): Promise<WorkerRecord> {
  const { run, redis: url, signal = new AbortController().signal, onProgress, onNotice = () => undefined, staleSeconds = usualStaleSeconds } = options;
  const manifest = await readRunManifest(run);
  await using images = await ShardImages.open(run, manifest);
  await makeRunFolders(run);
  const report = new WorkerReport(run, workerName());
  try {
    const shards = options.shards ?? [...manifest.shards.keys()];
    // A model takes long to open, and is not needed where nothing is left.
    const left = new Set(await missingShards(run, manifest));
    if (!shards.some((shard) => left.has(shard))) return report.record();
    const connection = url === undefined ? undefined : await watchedRedis(url, onNotice);
    try {
      await using task = await openTask(manifest, options, signal);
      const common = { staleMs: staleSeconds * 1000, report, signal, onProgress: onProgress && (() => onProgress(report.record())) };
      const open = { folder: run, manifest, images };
      if (connection) await workOnQueue(open, task, { ...common, redis: connection.redis, onNotice });
      else await workOnFolder(open, task, { ...common, shards });
      return report.record();
    } finally {
      connection?.close();
    }
  } finally {
    await report.stop();
  }
}

async function watchedRedis(url: string, onNotice: (notice: string) => void): Promise<RedisConnection> {
  const name = redisName(url);
  return connectRedis(url, {
    onAway: (problem) => onNotice(`Redis at ${name} is away (${problem}); the shard under way goes on meanwhile`),
    onBack: () => onNotice(`Redis at ${name} is back`),
  });
}

function openTask(manifest: RunManifest, options: WorkOptions, signal: AbortSignal): Promise<ShardTask> {
  const { settings } = manifest;
  return settings.task === "embed" ? openEmbedTask(manifest, settings, options, signal) : openCaptionTask(manifest, settings, options, signal);
}
