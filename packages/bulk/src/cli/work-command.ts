import { Command, Option } from "commander";
import { abortOnInterrupt, defined, exitCodes, progressLine, wholeNumber } from "sightline/cli";
import { shardsOfJob } from "../job-index.js";
import { readRunManifest } from "../run-manifest.js";
import { runStatus } from "../run-status.js";
import type { WorkerSettings } from "../shard-task.js";
import { usualStaleSeconds, workOnRun } from "../work-on-run.js";
import { redisOption } from "./redis-option.js";

interface WorkCommandOptions extends WorkerSettings {
  readonly run: string;
  readonly staleSeconds: number;
  readonly redis?: string;
  readonly json?: boolean;
}

const statusEveryMs = 2000;
const leaveWithinMs = 1000;

/** `sightline bulk work`: one worker, until the run is done. */
export function workCommand(): Command {
  return new Command("work")
    .description("Work on a run until all of it is done. Start as many as there are machines (or cores); stop and start them as you like.")
    .requiredOption("--run <folder>", "the run's folder")
    .addOption(redisOption())
    .option("--model <path>", "where the run's model lies on this machine, if not where it was submitted")
    .addOption(new Option("--device <name>", "where the model runs").choices(["cpu", "webgpu", "cuda", "tensorrt", "auto"]).default("cpu"))
    .option("--threads <n>", "threads of the model (all cores)", wholeNumber(1))
    .option("--stale-seconds <n>", "a worker that gives no sign for so long has lost its shard", wholeNumber(1), usualStaleSeconds)
    .option("--json", "print one JSON object about what this worker did")
    .addHelpText("after", "\nIn a Kubernetes Indexed Job, without --redis, a pod takes shard JOB_COMPLETION_INDEX; with JOB_COMPLETION_COUNT = n set, every n-th from there.")
    .action(runWork);
}

async function runWork(options: WorkCommandOptions): Promise<void> {
  const { run, redis, json } = options;
  const signal = abortOnInterrupt();
  // What Kubernetes sends first; the shard is given back just the same.
  process.once("SIGTERM", () => process.kill(process.pid, "SIGINT"));
  const shards = redis === undefined ? shardsOfJob(process.env, (await readRunManifest(run)).shards.length) : undefined;
  const progress = progressLine("images");
  const timer = setInterval(() => void tell().catch(() => undefined), statusEveryMs);
  async function tell(): Promise<void> {
    const { images, imagesPerSecond, workers } = await runStatus(run);
    const done = images.done + workers.reduce((sum, worker) => sum + worker.shardImages, 0);
    progress.update({ share: Math.min(1, done / images.total), done: done - images.failed, skipped: images.failed, perSecond: imagesPerSecond });
  }
  try {
    const record = await workOnRun({ ...options, signal, ...defined({ redis, shards }), onNotice: (notice) => process.stderr.write(`sightline: ${notice}\n`) });
    progress.stop();
    const { images, failed, worker } = record;
    if (json) process.stdout.write(`${JSON.stringify({ run, worker, shards: record.shards, images, failed })}\n`);
    else process.stdout.write(`${run}: ${shards === undefined ? "done" : `${shards.length} shards of this job done`}; this worker did ${record.shards} shards, ${images} images${failed > 0 ? ` (${failed} failed)` : ""}\n`);
  } catch (error) {
    progress.stop();
    if (!signal.aborted) throw error;
    process.stderr.write("sightline: stopped; the shard under way was given back, and the same command goes on\n");
    process.exitCode = exitCodes.interrupted;
  } finally {
    clearInterval(timer);
    // BullMQ's worker waits for a Redis that is away, and its timers would keep the process; everything is on disk by now.
    if (redis !== undefined) setTimeout(() => process.exit(), leaveWithinMs).unref();
  }
}
