import { setTimeout } from "node:timers/promises";
import { SightlineError } from "sightline";
import { hasPart } from "./part-file.js";
import { shardsIn } from "./run-folder.js";
import type { ShardTask } from "./shard-task.js";
import { lockShard } from "./shard-lock.js";
import { workShard, type OpenRun } from "./work-shard.js";
import type { WorkerReport } from "./worker-record.js";

export interface FolderWorkerOptions {
  /** Shards that are this worker's business. */
  readonly shards: readonly number[];
  readonly staleMs: number;
  readonly report: WorkerReport;
  readonly signal: AbortSignal;
  readonly onProgress?: (() => void) | undefined;
  /** Before a shard that failed is tried again, twice as long each time; a second when left out. */
  readonly delayMs?: number | undefined;
}

const mostAttempts = 5;
const firstDelayMs = 1000;
const lookAgainMs = 1000;

/**
 * Works on shards of a folder, with no queue: takes each that has no part and that nobody else has, until all have theirs. One
 * that fails is tried again, later each time.
 * @throws SightlineError `bad-input` naming the shards that failed time after time; the signal's reason
 */
export async function workOnFolder(run: OpenRun, task: ShardTask, { shards, staleMs, report, signal, onProgress, delayMs = firstDelayMs }: FolderWorkerOptions): Promise<void> {
  const { folder, manifest } = run;
  // Workers begin in different places, so that they do not all try the same locks.
  const start = Math.floor(Math.random() * shards.length);
  const left = new Set([...shards.slice(start), ...shards.slice(0, start)]);
  const retries = new Map<number, { readonly failures: number; readonly notBefore: number; readonly error: unknown }>();
  const failed: number[] = [];
  while (left.size > 0) {
    const named = await shardsIn(folder, "parts", ".part");
    let worked = false;
    for (const shard of left) {
      signal.throwIfAborted();
      if (named.has(shard) && (await hasPart(folder, manifest.id, shard))) {
        left.delete(shard);
        continue;
      }
      if ((retries.get(shard)?.notBefore ?? 0) > Date.now()) continue;
      const lock = await lockShard(folder, shard, staleMs);
      if (!lock) continue;
      worked = true;
      let done = false;
      try {
        report.begin(shard);
        done = await workShard(run, shard, task, { worker: report.worker, signal, onImage: (bad) => [report.image(bad), onProgress?.()] });
        left.delete(shard);
      } catch (error) {
        if (signal.aborted) throw error;
        const failures = (retries.get(shard)?.failures ?? 0) + 1;
        retries.set(shard, { failures, notBefore: Date.now() + delayMs * 2 ** (failures - 1), error });
        if (failures < mostAttempts) continue;
        left.delete(shard);
        failed.push(shard);
      } finally {
        report.end(done);
        await lock.release();
      }
    }
    if (left.size > 0 && !worked) await setTimeout(Math.min(lookAgainMs, delayMs), undefined, { signal }).catch(() => signal.throwIfAborted());
  }
  const [first] = failed;
  if (first === undefined) return;
  const cause = retries.get(first)?.error;
  throw new SightlineError("bad-input", `bulk work: ${failed.length === 1 ? `shard ${first}` : `${failed.length} shards`} failed ${mostAttempts} times; shard ${first}: ${cause instanceof Error ? cause.message : String(cause)}; mend it, and start the worker again`, { cause });
}
