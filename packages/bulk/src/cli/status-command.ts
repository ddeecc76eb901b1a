import { setTimeout } from "node:timers/promises";
import { Command } from "commander";
import { abortOnInterrupt, duration, exitCodes } from "sightline/cli";
import { connectRedis, type RedisConnection } from "../redis-connection.js";
import { readRunManifest } from "../run-manifest.js";
import { runStatus, type RunStatus } from "../run-status.js";
import { ShardQueue, type QueueCounts } from "../shard-queue.js";
import { redisOption } from "./redis-option.js";

interface StatusCommandOptions {
  readonly run: string;
  readonly redis?: string;
  readonly watch?: boolean;
  readonly json?: boolean;
}

const watchEveryMs = 2000;
const failuresShown = 5;

/** `sightline bulk status`: how far a run is, who works on it, what failed. */
export function statusCommand(): Command {
  return new Command("status")
    .description("Say how far a run is, how fast its workers are together, and which images failed.")
    .requiredOption("--run <folder>", "the run's folder")
    .addOption(redisOption())
    .option("--watch", "say it again every two seconds, until the run is done")
    .option("--json", "print one JSON object (with --watch, a line each time)")
    .action(runStatusCommand);
}

async function runStatusCommand({ run, redis: url, watch, json }: StatusCommandOptions): Promise<void> {
  const signal = abortOnInterrupt();
  let connection: RedisConnection | undefined;
  try {
    const manifest = await readRunManifest(run);
    connection = url === undefined ? undefined : await connectRedis(url);
    for (;;) {
      const status = await runStatus(run);
      let queue: QueueCounts | undefined;
      if (connection) {
        await using shards = new ShardQueue(connection.redis, manifest);
        queue = await shards.counts();
      }
      if (json) process.stdout.write(`${JSON.stringify({ ...status, ...(queue ? { queue } : {}) })}\n`);
      else process.stdout.write(`${watch === true && process.stdout.isTTY ? "\x1b[2J\x1b[H" : ""}${statusText(status, queue)}`);
      if (watch !== true || status.complete) return;
      await setTimeout(watchEveryMs, undefined, { signal });
    }
  } catch (error) {
    if (!signal.aborted) throw error;
    process.exitCode = exitCodes.interrupted;
  } finally {
    connection?.close();
  }
}

const barWidth = 30;

/** @internal Exported for tests. */
export function statusText({ run, task, model, complete, shards, images, failures, workers, imagesPerSecond, secondsLeft }: RunStatus, queue: QueueCounts | undefined): string {
  const begun = workers.reduce((sum, worker) => sum + worker.shardImages, 0);
  const share = complete ? 1 : Math.min(1, (images.done + begun) / images.total);
  const filled = Math.floor(share * barWidth);
  const lines = [
    `${run}: ${task} with ${model}`,
    `[${"#".repeat(filled)}${"-".repeat(barWidth - filled)}] ${Math.floor(share * 100)}%  ${shards.done} of ${shards.total} shards, ${images.done} of ${images.total} images${images.failed > 0 ? `, ${images.failed} failed` : ""}`,
    complete
      ? `done; make it one file with: sightline bulk collect --run ${run} --out F.parquet`
      : `${workers.length} worker${workers.length === 1 ? "" : "s"}, ${imagesPerSecond.toFixed(1)} images/s${secondsLeft === null ? "" : `, ${duration(secondsLeft)} left`}`,
    ...(queue ? [`queue: ${queue.waiting} waiting, ${queue.active} active, ${queue.delayed} to be tried again, ${queue.failed} given up`] : []),
    ...workers.map((worker) => `  ${worker.worker}: ${worker.shard === undefined ? worker.state : `shard ${worker.shard}, ${worker.shardImages} images of it`}, ${worker.imagesPerSecond.toFixed(1)}/s`),
    ...failures.slice(0, failuresShown).map(({ error }) => `  failed: ${error.split("\n", 1)[0]}`),
    ...(images.failed > failuresShown ? [`  and ${images.failed - failuresShown} more`] : []),
  ];
  return `${lines.join("\n")}\n`;
}
