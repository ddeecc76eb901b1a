import { readFile, stat } from "node:fs/promises";
import path from "node:path";
import { performance } from "node:perf_hooks";
import { EvalError } from "../eval-error.js";
import { documentFrequency, type DocumentFrequency } from "../metrics/captions/cider.js";
import type { AnsweredSample, TaskScores } from "../task-metric.js";
import type { Task } from "../task.js";
import type { Answerer, Embedder, ModelFacts } from "./answerer.js";
import { scoreEmbeddings } from "./score-embeddings.js";
import { SampleJournal, writeWhole, type SampleRecord } from "./sample-journal.js";
import { DataHash, oneAhead, selectedSamples, withOthersPictures, type PlacedSample, type Selection } from "./selected-samples.js";

export type Baseline = "blind" | "shuffled";

/** What answers a task's samples. */
export type Source =
  | { readonly kind: "model"; readonly answerer: () => Promise<Answerer>; readonly embedder: () => Promise<Embedder> }
  | { readonly kind: "predictions"; readonly predictions: ReadonlyMap<string, string>; readonly name: string };

export interface RunTaskOptions extends Selection {
  /** Folder of the task's data. */
  readonly folder: string;
  readonly out: string;
  readonly source: Source;
  readonly batchSize: number;
  readonly seed: number;
  readonly baseline?: Baseline;
  readonly resume: boolean;
  readonly predictOnly: boolean;
  readonly logSamples: boolean;
  /** CIDEr weighs words by the references of the whole set, not of the samples asked for alone. */
  readonly fixedDf: boolean;
  readonly signal: AbortSignal;
  /** @param total samples in all; undefined while that is not known */
  readonly onProgress: (done: number, total: number | undefined) => void;
}

/** What a task's figures were made with; the same settings give the same figures. */
export interface TaskConfig {
  readonly task: string;
  readonly model: ModelFacts;
  readonly maxTokens: number | null;
  readonly decoding: string;
  readonly baseline: Baseline | null;
  readonly seed: number;
  readonly dataset: { readonly source: string; readonly split: string } | null;
}

export interface TaskOutcome {
  readonly config: TaskConfig &
    Selection & {
      /** Of the first sample. */
      readonly prompt: string;
      readonly dataHash: string;
      /** What CIDEr weighs words by. */
      readonly documentFrequency: "scored samples" | "whole set";
    };
  /** Undefined after --predict-only. */
  readonly scores: TaskScores | undefined;
  readonly answered: readonly AnsweredSample[];
  readonly indexes: readonly number[];
  /** Time in which the model was loaded or had a sample, and time in all, ms. */
  readonly timings: { readonly modelMs: number; readonly totalMs: number; readonly computed: number };
}

/**
 * Answers a task's samples and scores them. Each answer is in `samples_<task>.jsonl` as soon as it is there; a later call
 * with `resume` goes on behind those and scores all.
 * @throws EvalError `output-exists`, `resume-refused`, and what reading the data throws
 */
export async function runTask(task: Task, options: RunTaskOptions): Promise<TaskOutcome> {
  const started = performance.now();
  const { out, source, baseline, signal } = options;
  const clock = new BusyClock();
  const config = await clock.during(() => configOf(task, options));
  const file = path.join(out, `samples_${task.name}.jsonl`);
  await checkOutput(task, options, file, config);
  await using journal = await SampleJournal.open(file);
  const hash = new DataHash();
  const asked: (AnsweredSample["sample"] & { readonly index: number })[] = [];
  const total = expectedTotal(task, options);
  let done = 0;
  let computed = 0;
  const underWay = new Set<Promise<void>>();
  const writing = new Set<Promise<void>>();
  let failure: unknown;
  const samples = selectedSamples(task, options.folder, options);
  for await (const placed of oneAhead(baseline === "shuffled" ? withOthersPictures(samples) : samples)) {
    if (failure !== undefined || signal.aborted) break;
    const { index, sample } = placed;
    hash.add(sample);
    const { image: _, ...light } = sample;
    asked.push({ ...light, index });
    const known = journal.records.get(sample.id);
    if (known) {
      if (known.prompt !== sample.prompt || known.index !== index) throw new EvalError("data-changed", `eval: ${task.name}: sample ${JSON.stringify(sample.id)} is not what it was when ${file} was written; give another --out, or put the data back`);
      options.onProgress(++done, total);
      continue;
    }
    // The next sample does not wait for the disk.
    const work: Promise<void> = (source.kind === "predictions" ? Promise.resolve({ index, id: sample.id, prompt: sample.prompt, prediction: source.predictions.get(sample.id) ?? "" }) : clock.during(() => recordOf(task, placed, source, options)))
      .then((record) => {
        computed++;
        const written: Promise<void> = journal
          .append(record)
          .then(() => options.onProgress(++done, total))
          .catch((error: unknown) => void (failure ??= error))
          .finally(() => writing.delete(written));
        writing.add(written);
      })
      .catch((error: unknown) => void (failure ??= error))
      .finally(() => underWay.delete(work));
    underWay.add(work);
    if (underWay.size >= options.batchSize) await Promise.race(underWay);
  }
  await Promise.all(underWay);
  await Promise.all(writing);
  signal.throwIfAborted();
  if (failure !== undefined) throw failure;
  if (asked.length === 0) throw new EvalError("bad-input", `eval: ${task.name}: no sample is left after --offset ${options.offset}`);
  if (source.kind === "predictions" && !asked.some(({ id }) => source.predictions.has(id))) {
    throw new EvalError("bad-input", `eval: ${task.name}: none of the ${source.predictions.size} predictions in ${source.name} is of a sample; expected ids such as ${JSON.stringify(asked[0]?.id)}, got ${JSON.stringify([...source.predictions.keys()][0])}`);
  }
  await journal.sort();
  asked.sort((a, b) => a.index - b.index);
  const records = asked.map(({ id }) => journal.records.get(id) as SampleRecord);
  const answered = asked.map(({ index: __, ...sample }, i) => ({ sample, prediction: task.kind === "answer" ? task.postProcess(records[i]?.prediction ?? "") : (records[i]?.prediction ?? "") }));
  const scores = options.predictOnly ? undefined : task.kind === "answer" ? task.metric.score(answered, options.fixedDf ? await frequencyOfWhole(task, options.folder) : undefined) : await scoreEmbeddings(task, options.folder, records, answered, source, signal);
  await writeOutputs(task, options, answered, asked.map(({ index }) => index), scores);
  return {
    config: { ...config, prompt: asked[0]?.prompt ?? "", offset: options.offset, limit: options.limit, dataHash: hash.digest(), documentFrequency: options.fixedDf ? "whole set" : "scored samples" },
    scores,
    answered,
    indexes: asked.map(({ index }) => index),
    timings: { modelMs: clock.ms, totalMs: performance.now() - started, computed },
  };
}

async function recordOf(task: Task, { index, sample }: PlacedSample, source: Extract<Source, { kind: "model" }>, { baseline, signal }: RunTaskOptions): Promise<SampleRecord> {
  const about = { index, id: sample.id, prompt: sample.prompt };
  const image = baseline === "blind" && task.kind === "answer" ? undefined : await sample.image();
  if (task.kind === "answer") return { ...about, prediction: await (await source.answerer()).answer(sample.prompt, image, task.maxTokens, signal) };
  const embedder = await source.embedder();
  const [pictured, texts] = await Promise.all([
    embedder.image(image ?? new Uint8Array(), signal),
    task.kind === "retrieval" ? embedder.texts(sample.references, signal) : Promise.resolve(undefined),
  ]);
  return { ...about, image: base64(pictured), ...(texts ? { texts: base64(texts) } : {}) };
}

async function frequencyOfWhole(task: Task, folder: string): Promise<DocumentFrequency> {
  const references: (readonly string[])[] = [];
  for await (const sample of task.read(folder)) references.push(sample.references);
  return documentFrequency(references);
}

function base64(values: Float32Array): string {
  return Buffer.from(values.buffer, values.byteOffset, values.byteLength).toString("base64");
}

async function configOf(task: Task, { source, baseline, seed }: RunTaskOptions): Promise<TaskConfig> {
  const model =
    source.kind === "predictions" ? { name: source.name, fingerprint: "", precision: "" } : task.kind === "answer" ? (await source.answerer()).facts : (await source.embedder()).facts;
  return {
    task: task.name,
    model,
    maxTokens: task.kind === "answer" ? task.maxTokens : null,
    decoding: task.kind === "answer" ? "greedy" : "none",
    baseline: baseline ?? null,
    seed,
    dataset: task.data ? { source: task.data.source, split: task.data.split } : null,
  };
}

/** A run's settings stand beside its samples; others must not be mixed among them. */
async function checkOutput(task: Task, { out, resume }: RunTaskOptions, file: string, config: TaskConfig): Promise<void> {
  const settings = path.join(out, `run_${task.name}.json`);
  const earlier = await readFile(settings, "utf8").catch(() => undefined);
  // One that failed before its first answer, for want of data say, left nothing that could be lost.
  const holds = earlier !== undefined && ((await stat(file).catch(() => undefined))?.size ?? 0) > 0;
  if (holds && !resume) throw new EvalError("output-exists", `eval: ${file} holds a run already; go on with --resume, or give another --out`);
  if (holds) {
    const before = JSON.parse(earlier) as Record<string, unknown>;
    const differs = Object.entries(config).filter(([key, value]) => JSON.stringify(before[key]) !== JSON.stringify(value)).map(([key]) => key);
    if (differs.length > 0) throw new EvalError("resume-refused", `eval: ${task.name}: ${out} holds a run with another ${differs.join(" and ")}; give another --out, or the settings in ${settings}`);
    return;
  }
  await writeWhole(settings, `${JSON.stringify(config, null, 2)}\n`);
}

function expectedTotal({ data }: Task, { offset, limit }: Selection): number | undefined {
  const left = data?.size === undefined ? undefined : Math.max(0, data.size - offset);
  return limit === undefined ? left : Math.min(limit, left ?? limit);
}

async function writeOutputs(task: Task, { out, logSamples, predictOnly }: RunTaskOptions, answered: readonly AnsweredSample[], indexes: readonly number[], scores: TaskScores | undefined): Promise<void> {
  if (scores) {
    const lines = answered.map(({ sample, prediction }, i) => {
      const { id, prompt, references, options, group } = sample;
      const more = logSamples ? { prompt, references, ...(options ? { options } : {}), ...(group === undefined ? {} : { group }) } : {};
      return `${JSON.stringify({ index: indexes[i], id, ...more, prediction, score: scores.perSample[i] })}\n`;
    });
    await writeWhole(path.join(out, `scores_${task.name}.jsonl`), lines.join(""));
  }
  if (predictOnly && task.kind === "answer") {
    const results = answered.map(({ sample, prediction }) => ({ image_id: /^\d+$/.test(sample.id) ? Number(sample.id) : sample.id, caption: prediction }));
    await writeWhole(path.join(out, `predictions_${task.name}.json`), `${JSON.stringify(results)}\n`);
  }
}

/** How long at least one call was under way. */
class BusyClock {
  #calls = 0;
  #since = 0;
  ms = 0;

  async during<T>(call: () => Promise<T>): Promise<T> {
    if (this.#calls++ === 0) this.#since = performance.now();
    try {
      return await call();
    } finally {
      if (--this.#calls === 0) this.ms += performance.now() - this.#since;
    }
  }
}
