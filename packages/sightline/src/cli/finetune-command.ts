import path from "node:path";
import { openMpi, type Collectives } from "@sightline/contrastive";
import { Command, Option } from "commander";
import { finetune } from "../finetune/finetune.js";
import { readFinetuneConfig, type RunConfig } from "../finetune/finetune-config.js";
import type { FinetuneEvent } from "../finetune/finetune-event.js";
import { configOfRun } from "../finetune/run-folder.js";
import { exitCodes, UsageError } from "./failure.js";
import { figureTexts, FinetuneProgress } from "./finetune-progress.js";
import { abortOnInterrupt } from "./interrupt.js";

interface FinetuneCommandOptions {
  readonly config?: string;
  readonly resume?: string;
  readonly overwrite?: boolean;
  readonly json?: boolean;
  readonly distributed?: "mpi";
}

/** `sightline finetune`: trains a SigLIP checkpoint on image–text pairs, or a projector on conversations. */
export function finetuneCommand(): Command {
  return new Command("finetune")
    .description("Fine-tune a SigLIP tower on image–text pairs with the sigmoid loss, or align a projector with a decoder on conversations (docs/finetuning.md).")
    .option("--config <file>", "what to train, on what, for how long: a JSON file")
    .option("--resume <folder>", "go on with the run in this folder, from its last checkpoint")
    .option("--overwrite", "replace a run that lies in the configuration's folder")
    .addOption(new Option("--distributed <how>", "train on several processes or machines: mpirun -n 4 sightline finetune --distributed mpi …").choices(["mpi"]))
    .option("--json", "print one JSON object about the run")
    .action((options: FinetuneCommandOptions) => (options.distributed === undefined ? runFinetune(options) : runShared(options)));
}

/** One of several processes. A failure of one ends all: the others would wait for it for ever. */
async function runShared(options: FinetuneCommandOptions): Promise<void> {
  const collectives = await openMpi();
  try {
    await runFinetune(options, collectives);
    await collectives[Symbol.asyncDispose]();
  } catch (error) {
    process.stderr.write(`sightline: rank ${collectives.rank} of ${collectives.size}: ${(error as Error).message.split("\n", 1)[0]}\n`);
    collectives.abort();
  }
  // A natural end would unload the library under its own feet.
  process.exit();
}

async function runFinetune({ config: file, resume, overwrite = false, json = false }: FinetuneCommandOptions, collectives?: Collectives): Promise<void> {
  const config = await configOf(file, resume);
  const signal = abortOnInterrupt();
  const progress = new FinetuneProgress();
  const summary = new RunSummary(config);
  try {
    for await (const event of finetune(config, { resume: resume !== undefined, overwrite, signal, ...(collectives ? { collectives } : {}) })) {
      summary.take(event);
      progress.take(event);
    }
    progress.stop();
    if (collectives && collectives.rank > 0) return;
    process.stdout.write(json ? `${JSON.stringify(summary.result())}\n` : summary.text());
  } catch (error) {
    progress.stop();
    if (!signal.aborted) throw error;
    if (collectives && collectives.rank > 0) return;
    process.stderr.write(`sightline: stopped after step ${summary.step}; go on with: sightline finetune --resume ${config.out}\n`);
    process.exitCode = exitCodes.interrupted;
  }
}

async function configOf(file: string | undefined, resume: string | undefined): Promise<RunConfig> {
  if (file !== undefined) {
    const config = await readFinetuneConfig(file);
    if (resume !== undefined && path.resolve(resume) !== config.out) throw new UsageError(`finetune: --resume ${resume} is not the folder of ${file}, ${config.out}; give one of the two`);
    return config;
  }
  if (resume === undefined) throw new UsageError("finetune: expected --config FILE, or --resume FOLDER of a run that was begun");
  return configOfRun(resume);
}

/** What is said of a run at its end. */
class RunSummary {
  step = 0;
  readonly #out: string;
  #unit: "pairs" | "conversations" = "pairs";
  #loss: number | undefined;
  #samples = 0;
  #leftOut = 0;
  #metrics: Readonly<Record<string, number>> = {};
  readonly #results: { readonly format: string; readonly path: string }[] = [];
  readonly #started = Date.now();

  constructor({ out }: RunConfig) {
    this.#out = out;
  }

  take(event: FinetuneEvent): void {
    if (event.type === "step-end") {
      this.step = event.step;
      this.#loss = event.loss;
      this.#samples += event.samples;
    } else if (event.type === "data-read") this.#unit = event.unit;
    else if (event.type === "pairs-left-out") this.#leftOut += event.bad.length;
    else if (event.type === "eval-end") this.#metrics = event.metrics;
    else if (event.type === "exported") this.#results.push({ format: event.format, path: event.path });
  }

  result(): object {
    const seconds = (Date.now() - this.#started) / 1000;
    return { out: this.#out, steps: this.step, loss: this.#loss, ...(this.#unit === "pairs" ? { pairs: this.#samples, pairsLeftOut: this.#leftOut } : { conversations: this.#samples }), seconds, peakMemoryMb: Math.round(process.resourceUsage().maxRSS / 1024), metrics: this.#metrics, picture: path.join(this.#out, "training.svg"), results: this.#results };
  }

  text(): string {
    const figures = figureTexts(this.#metrics);
    const notes = [`${this.step} steps`, ...(this.#loss === undefined ? [] : [`loss ${this.#loss.toFixed(4)}`]), ...figures, ...(this.#leftOut > 0 ? [`${this.#leftOut} pairs left out`] : [])];
    return [`${this.#out}: ${notes.join(", ")}`, `  picture: ${path.join(this.#out, "training.svg")}`, ...this.#results.map(({ format, path: where }) => `  ${format}: ${where}`), ""].join("\n");
  }
}
