import path from "node:path";
import { Command, Option } from "commander";
import { abortOnInterrupt, exitCodes, progressLine, UsageError } from "sightline/cli";
import { collectRun, type CollectFormat } from "../collect-run.js";

interface CollectCommandOptions {
  readonly run: string;
  readonly out: string;
  readonly format?: CollectFormat;
  readonly overwrite?: boolean;
  readonly json?: boolean;
}

/** `sightline bulk collect`: the results of a run as one file. */
export function collectCommand(): Command {
  return new Command("collect")
    .description("Make the parts of a finished run into one file, every image once.")
    .requiredOption("--run <folder>", "the run's folder")
    .requiredOption("--out <file>", "F.parquet, or F.json with --format coco; images that failed go to F.errors.jsonl")
    .addOption(new Option("--format <name>", "coco: captions as COCO's results JSON").choices(["parquet", "coco"]))
    .option("--overwrite", "replace F where it is there already")
    .option("--json", "print one JSON object")
    .action(runCollect);
}

async function runCollect({ run, out, format = "parquet", overwrite, json }: CollectCommandOptions): Promise<void> {
  const extension = format === "coco" ? ".json" : ".parquet";
  if (path.extname(out).toLowerCase() !== extension) throw new UsageError(`bulk collect: --out: expected F${extension}${format === "coco" ? " with --format coco" : ""}, got ${JSON.stringify(out)}`);
  const signal = abortOnInterrupt();
  const progress = progressLine("images");
  const started = Date.now();
  try {
    const summary = await collectRun({
      run,
      out,
      format,
      overwrite,
      signal,
      onProgress: (images, of) => progress.update({ share: images / of, done: images, skipped: 0, perSecond: (images * 1000) / Math.max(1, Date.now() - started) }),
    });
    progress.stop();
    const { rows, failed, errorsFile } = summary;
    if (json) process.stdout.write(`${JSON.stringify(summary)}\n`);
    else process.stdout.write(`${out}: ${rows} images${failed > 0 ? ` (${failed} failed, see ${errorsFile})` : ""}\n`);
  } catch (error) {
    progress.stop();
    if (!signal.aborted) throw error;
    process.exitCode = exitCodes.interrupted;
  }
}
