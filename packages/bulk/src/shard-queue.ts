import { Queue } from "bullmq";
import type { Redis } from "ioredis";
import { shardName } from "./run-folder.js";
import type { RunManifest } from "./run-manifest.js";

/** What a job says: which shard it is. Everything else is in the run's folder. */
export interface ShardJob {
  readonly shard: number;
}

/** Jobs of a run by their state. */
export interface QueueCounts {
  readonly waiting: number;
  readonly active: number;
  /** Failed, and to be tried again. */
  readonly delayed: number;
  /** Failed time after time. */
  readonly failed: number;
}

const addedAtOnce = 1000;
const mostAttempts = 5;
const firstDelayMs = 1000;

export function queueName({ id }: RunManifest): string {
  return `sightline-bulk-${id}`;
}

/** The queue of a run, in a Redis. It names shards and holds nothing that the run's folder does not. */
export class ShardQueue implements AsyncDisposable {
  readonly #queue: Queue<ShardJob>;

  constructor(redis: Redis, manifest: RunManifest) {
    this.#queue = new Queue<ShardJob>(queueName(manifest), { connection: redis });
    // Told by the connection itself.
    this.#queue.on("error", () => undefined);
  }

  /**
   * Puts shards into the queue that are not in it: a job is known by its shard. Those that failed time after time begin anew.
   * @param delayMs before a shard that failed is tried again; twice as long each time
   * @returns how many jobs the queue has more
   */
  async add(shards: readonly number[], signal: AbortSignal, delayMs: number = firstDelayMs): Promise<number> {
    const before = await this.counts();
    for (const job of await this.#queue.getFailed()) await job.remove();
    for (let i = 0; i < shards.length; i += addedAtOnce) {
      signal.throwIfAborted();
      await this.#queue.addBulk(
        shards.slice(i, i + addedAtOnce).map((shard) => ({
          name: "shard",
          data: { shard },
          // A finished job leaves, so that a shard whose part was lost can be put in again.
          opts: { jobId: `shard-${shardName(shard)}`, attempts: mostAttempts, backoff: { type: "exponential", delay: delayMs, jitter: 0.5 }, removeOnComplete: true },
        })),
      );
    }
    const after = await this.counts();
    return after.waiting + after.active + after.delayed - before.waiting - before.active - before.delayed;
  }

  async counts(): Promise<QueueCounts> {
    const { waiting = 0, active = 0, delayed = 0, failed = 0 } = await this.#queue.getJobCounts("waiting", "active", "delayed", "failed");
    return { waiting, active, delayed, failed };
  }

  /** Why a shard failed, of one that did. */
  async firstFailure(): Promise<{ readonly shard: number; readonly reason: string } | undefined> {
    const [job] = await this.#queue.getFailed(0, 0);
    return job && { shard: job.data.shard, reason: job.failedReason };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#queue.close();
  }
}
