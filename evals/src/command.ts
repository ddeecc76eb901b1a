import { writeFile } from "node:fs/promises";
import { pullDataset } from "@sightline/hub";
import { Command, Option } from "commander";
import { abortOnInterrupt, defined, exitCodes, progressLine, UsageError, wholeNumber, withPullProgress } from "sightline/cli";
import { comparisonPage, comparisonTable, compareRuns } from "./run/compare-runs.js";
import { evaluate, type EvaluateOptions } from "./run/evaluate.js";
import { tasks } from "./tasks/tasks.js";

interface EvalCommandOptions extends Omit<EvaluateOptions, "out" | "signal" | "onProgress" | "pull"> {
  readonly pull?: boolean;
  readonly out?: string;
  readonly list?: boolean;
  readonly json?: boolean;
}

/** `sightline eval`. */
export function command(): Command {
  return new Command("eval")
    .description("Run benchmarks and write figures that can be compared; `eval compare RUN_A RUN_B` compares two runs.")
    .argument("[tasks...]", "names of tasks; --list names them")
    .option("--list", "list the tasks, with what each needs")
    .option("--model <name|folder>", '"mini", or the folder of a model; of a SigLIP or CLIP tower for retrieval and zero-shot', "mini")
    .option("--out <folder>", "for samples, results.json, results.md and report.html")
    .option("--data <folder>", "where the tasks' files lie, each in a folder of its name (data)")
    .option("--pull", "download data that is not there into the Hugging Face cache first")
    .option("--limit <n>", "only so many samples", wholeNumber(1))
    .option("--offset <n>", "from this sample on", wholeNumber(0))
    .option("--batch-size <n>", "samples under way together (1)", wholeNumber(1))
    .addOption(new Option("--precision <name>", "of the vision tower").choices(["float32", "int8", "auto"]).default("float32"))
    .option("--resume", "go on where an earlier run was stopped")
    .option("--predict-only", "write the answers in COCO's results format, and score nothing")
    .option("--predictions <file>", "score these answers (COCO's results format) instead of a model's")
    .option("--log-samples", "write prompts and references of each sample too")
    .option("--fixed-df", "CIDEr weighs words by the references of the whole set, also with --limit")
    .option("--seed <n>", "is recorded, and draws what is random (0)", wholeNumber(0))
    .addOption(new Option("--baseline <kind>", "what the figure is without the picture, or with another sample's").choices(["blind", "shuffled"]))
    .option("--json", "print one JSON object about the run")
    .action(runEval)
    .addCommand(compareCommand());
}

async function runEval(names: readonly string[], { list, json, out, pull, ...options }: EvalCommandOptions): Promise<void> {
  if (list === true) {
    for (const { name, title, data } of tasks) process.stdout.write(`${name.padEnd(20)} ${title}${data ? ` (${data.source})` : " (comes with the package)"}\n`);
    return;
  }
  if (names.length === 0) throw new UsageError("eval: expected the name of a task; --list names them");
  if (out === undefined) throw new UsageError("eval: expected --out FOLDER for what the run gives");
  const signal = abortOnInterrupt();
  const progress = progressLine("samples");
  const rate = new Rate();
  try {
    const { results, table, timings } = await evaluate(names, {
      ...defined(options),
      ...(pull === true ? { pull: pulledDataset } : {}),
      out,
      signal,
      onProgress: ({ task, done, total }) => progress.update({ share: total === undefined ? 0 : done / total, done, skipped: 0, perSecond: rate.of(task, done) }),
    });
    progress.stop();
    process.stdout.write(json === true ? `${JSON.stringify({ ...results, timings })}\n` : `${table}`);
  } catch (error) {
    progress.stop();
    if (!signal.aborted) throw error;
    process.stderr.write(`sightline: stopped; what is done is in ${out}, and the same command with --resume goes on\n`);
    process.exitCode = exitCodes.interrupted;
  }
}

/** Brings a data set, or finds it in the cache, and gives its folder. */
async function pulledDataset(dataset: string, include: readonly string[], signal: AbortSignal): Promise<string> {
  const { directory } = await withPullProgress(dataset, (onProgress) => pullDataset(dataset, { include, signal, onProgress }));
  return directory;
}

/** Samples a second of the task at hand, since it began. */
class Rate {
  #task = "";
  #since = 0;
  #from = 0;

  of(task: string, done: number): number {
    if (task !== this.#task) [this.#task, this.#since, this.#from] = [task, performance.now(), done];
    const seconds = (performance.now() - this.#since) / 1000;
    return seconds > 0 ? (done - this.#from) / seconds : 0;
  }
}

function compareCommand(): Command {
  return new Command("compare")
    .description("Compare two runs sample by sample: bootstrap intervals of 95% and a paired permutation test.")
    .argument("<run-a>", "the --out folder of a run")
    .argument("<run-b>", "of another")
    .option("--html <file>", "write a page too")
    .option("--seed <n>", "of what is drawn at random", wholeNumber(0), 0)
    .option("--json", "print one JSON list")
    .exitOverride()
    .action(async (a: string, b: string, { html, seed, json }: { readonly html?: string; readonly seed: number; readonly json?: boolean }) => {
      const comparisons = await compareRuns(a, b, seed);
      if (html !== undefined) await writeFile(html, comparisonPage(a, b, comparisons));
      process.stdout.write(json === true ? `${JSON.stringify(comparisons)}\n` : `${comparisonTable(comparisons)}\n`);
    });
}
