import { Command, InvalidArgumentError, Option } from "commander";
import { abortOnInterrupt, exitCodes, progressLine, UsageError, wholeNumber } from "sightline/cli";
import { missingShards } from "../missing-shards.js";
import { connectRedis, redisName } from "../redis-connection.js";
import { readRunManifest, type RunManifest, type TaskSettings } from "../run-manifest.js";
import { ShardQueue } from "../shard-queue.js";
import { shardSizes, submitRun } from "../submit-run.js";
import { redisOption } from "./redis-option.js";

interface SubmitCommandOptions {
  readonly run: string;
  readonly task?: "embed" | "caption";
  readonly model: string;
  readonly prompt: string;
  readonly maxTokens: number;
  readonly shardSize: number;
  readonly batch: number;
  readonly precision: "float32" | "float16" | "int8" | "auto";
  readonly imageSize?: number;
  readonly maxPatches?: number;
  readonly raw?: boolean;
  readonly redis?: string;
  readonly json?: boolean;
}

/** `sightline bulk submit`: writes down what is to be done, and fills the queue. */
export function submitCommand(): Command {
  return new Command("submit")
    .description("Cut images into shards of work. Given again, it puts back into the queue what is missing.")
    .argument("[inputs...]", "as `sightline embed` takes them: images, folders, globs, tar files, @list.txt; none to go on with a run that is there")
    .requiredOption("--run <folder>", "where the run is kept, on a disk that all workers see")
    .addOption(new Option("--task <name>", "what is done with each image").choices(["embed", "caption"]))
    .option("--model <name|path>", "the model that does it: for embed a SigLIP checkpoint, for caption a vision-language model", "mini")
    .option("--prompt <text>", "what the caption answers", "Describe the image.")
    .option("--max-tokens <n>", "of a caption at most", wholeNumber(1), 64)
    .option("--shard-size <n>", `images of one job, up to ${shardSizes.most}`, shardSize, shardSizes.usual)
    .option("--batch <n>", "how many images go through the tower together", wholeNumber(1), 8)
    .addOption(new Option("--precision <name>", "of the tower").choices(["float32", "float16", "int8", "auto"]).default("float32"))
    .option("--image-size <pixels>", "another resolution than the checkpoint's (embed)", wholeNumber(1))
    .option("--max-patches <n>", "the most patches that a NaFlex checkpoint gives an image (embed)", wholeNumber(1))
    .option("--raw", "embeddings as the tower gives them, instead of unit length")
    .addOption(redisOption())
    .option("--json", "print one JSON object")
    .action(runSubmit);
}

function shardSize(text: string): number {
  const size = wholeNumber(shardSizes.least)(text);
  if (size > shardSizes.most) throw new InvalidArgumentError(`expected a whole number from ${shardSizes.least} to ${shardSizes.most}.`);
  return size;
}

async function runSubmit(inputs: readonly string[], options: SubmitCommandOptions): Promise<void> {
  const { run, redis: url, json } = options;
  const signal = abortOnInterrupt();
  const leaveStdin = (): void => void process.stdin.destroy();
  signal.addEventListener("abort", leaveStdin);
  try {
    const { manifest, isNew } = inputs.length === 0 ? { manifest: await readRunManifest(run), isNew: false } : await submit(inputs, options, signal);
    const missing = await missingShards(run, manifest);
    const queued = url === undefined ? undefined : await fillQueue(url, manifest, missing, signal);
    report(run, manifest, { isNew, missing: missing.length, queued, redis: url }, json === true);
  } catch (error) {
    if (!signal.aborted) throw error;
    process.exitCode = exitCodes.interrupted;
  } finally {
    leaveStdin();
  }
}

async function submit(inputs: readonly string[], options: SubmitCommandOptions, signal: AbortSignal): Promise<{ readonly manifest: RunManifest; readonly isNew: boolean }> {
  const { run, model, shardSize } = options;
  const settings = settingsOf(options);
  const progress = progressLine("images");
  const started = Date.now();
  try {
    return await submitRun({
      run,
      inputs,
      model,
      settings,
      shardSize,
      signal,
      onProgress: (share, images) => progress.update({ share, done: images, skipped: 0, perSecond: (images * 1000) / Math.max(1, Date.now() - started) }),
    });
  } finally {
    progress.stop();
  }
}

function settingsOf({ task, prompt, maxTokens, batch, precision, imageSize, maxPatches, raw }: SubmitCommandOptions): TaskSettings {
  if (task === undefined) throw new UsageError("bulk submit: say what is done with the images: --task embed or --task caption");
  if (task === "embed") return { task, normalize: raw !== true, batch, precision, ...(imageSize === undefined ? {} : { imageSize }), ...(maxPatches === undefined ? {} : { maxPatches }) };
  if (precision === "float16") throw new UsageError("bulk submit: --precision: expected float32, int8 or auto with --task caption, got float16");
  if (prompt.trim() === "") throw new UsageError("bulk submit: --prompt is empty; say what the caption answers");
  return { task, prompt, maxTokens, precision };
}

async function fillQueue(url: string, manifest: RunManifest, missing: readonly number[], signal: AbortSignal): Promise<number> {
  const connection = await connectRedis(url);
  try {
    await using queue = new ShardQueue(connection.redis, manifest);
    return await queue.add(missing, signal);
  } finally {
    connection.close();
  }
}

interface Submitted {
  readonly isNew: boolean;
  readonly missing: number;
  readonly queued: number | undefined;
  readonly redis: string | undefined;
}

function report(run: string, { id, settings, model, images, duplicates, shards, shardSize }: RunManifest, { isNew, missing, queued, redis }: Submitted, json: boolean): void {
  if (json) {
    process.stdout.write(`${JSON.stringify({ run, id, task: settings.task, model, images, duplicates, shards: shards.length, shardSize, isNew, missing, ...(queued === undefined ? {} : { queued }) })}\n`);
    return;
  }
  const what = `${run}: ${images} images in ${shards.length} shards of up to ${shardSize}`;
  const notes = [...(duplicates > 0 ? [`${duplicates} named twice`] : []), ...(isNew ? [] : [`${shards.length - missing} shards done`])];
  const queue = queued === undefined || redis === undefined ? "" : `${queued} jobs put into the queue at ${redisName(redis)}\n`;
  process.stdout.write(`${what}${notes.length > 0 ? ` (${notes.join("; ")})` : ""}\n${queue}`);
}
