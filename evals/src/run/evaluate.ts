import { mkdir, stat } from "node:fs/promises";
import path from "node:path";
import { EvalError } from "../eval-error.js";
import { findTask } from "../tasks/tasks.js";
import { Answerer, Embedder, type ModelOptions } from "./answerer.js";
import { readPredictions } from "./predictions.js";
import { htmlReport } from "./report.js";
import { markdownTable, resultsOf, writeResults, type Results, type TaskResult } from "./results.js";
import { runTask, type Baseline, type Source } from "./run-task.js";
import { writeWhole } from "./sample-journal.js";

/** Settings of `evaluate`. */
export interface EvaluateOptions {
  /** "mini" or a model's folder; not needed with `predictions`. */
  readonly model?: string;
  /** Folder for samples, results.json, results.md and report.html. */
  readonly out: string;
  /** Where tasks' data lies: in a folder of the task's name, or in this one itself. */
  readonly data?: string;
  /** Brings data that lies nowhere here from the hub, into its cache; see `pullDataset` of @sightline/hub. */
  readonly pull?: (dataset: string, include: readonly string[], signal: AbortSignal) => Promise<string>;
  readonly limit?: number;
  readonly offset?: number;
  /** Samples under way together; answers do not depend on it. 1 when left out. */
  readonly batchSize?: number;
  /** Of the vision tower; "float32" when left out. */
  readonly precision?: ModelOptions["precision"];
  readonly resume?: boolean;
  readonly predictOnly?: boolean;
  /** A file in COCO's results format, scored in place of a model's answers. */
  readonly predictions?: string;
  readonly logSamples?: boolean;
  /** CIDEr weighs words by the references of the whole set, so that a part's figures compare with the whole's. */
  readonly fixedDf?: boolean;
  readonly seed?: number;
  /** "blind": without the picture; "shuffled": with another sample's. */
  readonly baseline?: Baseline;
  readonly signal?: AbortSignal;
  /** Called as samples are done. */
  readonly onProgress?: (progress: { readonly task: string; readonly done: number; readonly total: number | undefined }) => void;
}

/** What `evaluate` gives. */
export interface Evaluation {
  readonly results: Results;
  /** The Markdown table. */
  readonly table: string;
  /** Of all tasks: time in which a sample was with the model, time in all, ms, and samples computed by this call. */
  readonly timings: { readonly modelMs: number; readonly totalMs: number; readonly computed: number };
}

/**
 * Runs tasks, writes what they gave, and returns it.
 * @throws EvalError `unknown-task`, `data-missing`, `data-changed`, `output-exists`, `resume-refused`, `duplicate-image`;
 *   what loading the model throws; the signal's reason
 */
export async function evaluate(names: readonly string[], options: EvaluateOptions): Promise<Evaluation> {
  const { out, signal = new AbortController().signal, onProgress } = options;
  const tasks = [...new Set(names)].map(findTask);
  if (tasks.length === 0) throw new EvalError("unknown-task", "eval: expected at least one task; --list names them");
  if (options.predictions !== undefined && tasks.length > 1) throw new EvalError("bad-input", `eval: --predictions: expected one task, got ${tasks.length}`);
  await mkdir(out, { recursive: true });
  await using models = new Models({ model: options.model ?? "mini", precision: options.precision ?? "float32", batchSize: options.batchSize ?? 1, signal });
  const source: Source =
    options.predictions === undefined
      ? { kind: "model", answerer: () => models.answerer(), embedder: () => models.embedder() }
      : { kind: "predictions", predictions: await readPredictions(options.predictions), name: path.basename(options.predictions) };
  const folders = new Map<string, string>();
  const done: TaskResult[] = [];
  const timings = { modelMs: 0, totalMs: 0, computed: 0 };
  for (const task of tasks) {
    const folder = task.data ? await dataFolder(task, options, signal) : "";
    folders.set(task.name, folder);
    const outcome = await runTask(withFolder(task, folder), {
      folder,
      out,
      source,
      offset: options.offset ?? 0,
      limit: options.limit,
      batchSize: options.batchSize ?? 1,
      seed: options.seed ?? 0,
      ...(options.baseline ? { baseline: options.baseline } : {}),
      resume: options.resume ?? false,
      predictOnly: options.predictOnly ?? false,
      logSamples: options.logSamples ?? false,
      fixedDf: options.fixedDf ?? false,
      signal,
      onProgress: (finished, total) => onProgress?.({ task: task.name, done: finished, total }),
    });
    timings.modelMs += outcome.timings.modelMs;
    timings.totalMs += outcome.timings.totalMs;
    timings.computed += outcome.timings.computed;
    done.push({ task, outcome });
  }
  const results = await resultsOf(done);
  await writeResults(out, results, done);
  await writeWhole(path.join(out, "report.html"), await htmlReport(results, done, (name) => folders.get(name) ?? "", signal));
  return { results, table: markdownTable(results, done), timings };
}

/** Models are loaded when a task first needs them. */
class Models implements AsyncDisposable {
  readonly #options: ModelOptions;
  #answerer: Promise<Answerer> | undefined;
  #embedder: Promise<Embedder> | undefined;

  constructor(options: ModelOptions) {
    this.#options = options;
  }

  answerer(): Promise<Answerer> {
    return (this.#answerer ??= Answerer.open(this.#options));
  }

  embedder(): Promise<Embedder> {
    return (this.#embedder ??= Embedder.open(this.#options));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // One that failed to load has nothing to free.
    const opened = await Promise.allSettled([this.#answerer, this.#embedder]);
    for (const one of opened) if (one.status === "fulfilled") await one.value?.[Symbol.asyncDispose]();
  }
}

async function dataFolder({ name, data: published }: ReturnType<typeof findTask>, { data = "data", pull }: EvaluateOptions, signal: AbortSignal): Promise<string> {
  const own = path.join(data, name);
  const isThere = async (folder: string): Promise<boolean> => (await stat(folder).catch(() => undefined))?.isDirectory() === true;
  if (await isThere(own)) return own;
  if (pull && published?.dataset) return pull(published.dataset.name, published.dataset.include, signal);
  if (pull && published) throw new EvalError("data-missing", `eval: ${name}: --pull cannot bring its data; ${published.fetch.replaceAll("FOLDER", own)}`);
  return (await isThere(data)) ? data : own;
}

/** Tells where to put files, in what a task says of missing ones. */
function withFolder<T extends ReturnType<typeof findTask>>(task: T, folder: string): T {
  if (!task.data) return task;
  return {
    ...task,
    async *read(from: string) {
      try {
        yield* task.read(from);
      } catch (error) {
        throw error instanceof EvalError ? new EvalError(error.code, error.message.replaceAll("FOLDER", folder), { cause: error.cause }) : error;
      }
    },
  };
}
