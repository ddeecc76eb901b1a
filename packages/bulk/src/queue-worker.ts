import { setTimeout } from "node:timers/promises";
import { WaitingError, Worker, type Job } from "bullmq";
import type { Redis } from "ioredis";
import { SightlineError } from "sightline";
import { shardsIn } from "./run-folder.js";
import { queueName, ShardQueue, type ShardJob } from "./shard-queue.js";
import type { ShardTask } from "./shard-task.js";
import { workShard, type OpenRun } from "./work-shard.js";
import type { WorkerReport } from "./worker-record.js";

export interface QueueWorkerOptions {
  readonly redis: Redis;
  /** A worker that Redis does not hear of for so long has lost its shard. */
  readonly staleMs: number;
  readonly report: WorkerReport;
  readonly signal: AbortSignal;
  readonly onProgress?: (() => void) | undefined;
  /** Told what people may want to know. */
  readonly onNotice: (notice: string) => void;
}

const lookAgainMs = 1000;
/** For a shard to be given back; a Redis that does not answer then finds out by itself. */
const giveBackMs = 3000;
/** A queue that looks empty this many times in a row is. */
const emptyLooks = 3;

/**
 * Works on the shards that a run's queue hands out, until every shard of the run has its part.
 * @throws SightlineError `bad-input` when all shards that are left failed time after time; the signal's reason
 */
export async function workOnQueue(run: OpenRun, task: ShardTask, options: QueueWorkerOptions): Promise<void> {
  const { redis, staleMs, report, signal, onProgress } = options;
  const perform = async (job: Job<ShardJob>, token: string | undefined): Promise<void> => {
    const { shard } = job.data;
    let done = false;
    report.begin(shard);
    try {
      done = await workShard(run, shard, task, { worker: report.worker, signal, onImage: (bad) => [report.image(bad), onProgress?.()] });
    } catch (error) {
      if (!signal.aborted) throw error;
      // Given back at once, and not as an attempt that failed.
      await Promise.race([job.moveToWait(token), setTimeout(giveBackMs, undefined, { ref: false })]);
      throw new WaitingError();
    } finally {
      report.end(done);
    }
  };
  await using queue = new ShardQueue(redis, run.manifest);
  const worker = new Worker<ShardJob, void>(queueName(run.manifest), perform, {
    connection: redis,
    name: report.worker,
    concurrency: 1,
    lockDuration: staleMs,
    stalledInterval: Math.max(500, staleMs / 2),
    // Workers may come and go as often as they like; notes in the run's folder tell of shards that end theirs.
    maxStalledCount: Number.MAX_SAFE_INTEGER,
    drainDelay: 1,
    autorun: false,
  });
  // Redis being away is told by the connection; what befalls a job is in the queue.
  worker.on("error", () => undefined);
  const running = worker.run();
  running.catch(() => undefined);
  try {
    await untilDone(run, queue, options, running);
  } finally {
    // Waits for the shard under way, which the signal has ended, but not for a Redis that does not answer.
    await Promise.race([worker.close(), setTimeout(giveBackMs + 1000, undefined, { ref: false })]);
  }
}

async function untilDone({ folder, manifest }: OpenRun, queue: ShardQueue, { signal, report, onNotice }: QueueWorkerOptions, running: Promise<void>): Promise<void> {
  let looks = 0;
  let told = false;
  // The queue is asked first: a Redis answers sooner than a folder of ten thousand files on another machine.
  for (;;) {
    await Promise.race([setTimeout(lookAgainMs, undefined, { signal }), running.then(() => setTimeout(lookAgainMs))]).catch(() => undefined);
    signal.throwIfAborted();
    const counts = await Promise.race([queue.counts(), setTimeout(lookAgainMs, undefined, { ref: false })]);
    if (counts === undefined || counts.waiting + counts.active + counts.delayed > 0) {
      looks = 0;
      continue;
    }
    const there = (await shardsIn(folder, "parts", ".part")).size;
    if (there >= manifest.shards.length) return;
    report.wait();
    if (++looks < emptyLooks || told) continue;
    const missing = manifest.shards.length - there;
    if (counts.failed > 0 && counts.failed >= missing) {
      const failure = await queue.firstFailure();
      throw new SightlineError("bad-input", `bulk work: ${counts.failed} shards failed time after time; shard ${failure?.shard}: ${failure?.reason}; mend it, and put them in again with: sightline bulk submit --run ${folder}`);
    }
    told = true;
    onNotice(`the queue is empty, and ${missing} shards have no part; fill it again with: sightline bulk submit --run ${folder} --redis …`);
  }
}
