import { mkdir, rm, stat } from "node:fs/promises";
import path from "node:path";
import { performance } from "node:perf_hooks";
import { SightlineError } from "../sightline-error.js";
import { writeDurably, writeFully } from "./durable-file.js";
import type { EmbeddedBatch, Named } from "./embed-batches.js";
import { embedImageBatches, embedTextBatches, usualBatch, type EmbedOptions, type ImageInput, type ImageTower, type TextInput, type TextTower } from "./embed-inputs.js";
import { EmbedJournal } from "./embed-journal.js";
import { aboutFile, keysFile, writeNpy } from "./npy-file.js";
import { writeParquet } from "./parquet-file.js";
import { probeImage, probeText } from "./probe.js";

/** How far `embedToFile` is, after a batch. */
export interface EmbedProgress {
  /** Rows so far, those of earlier runs among them. */
  readonly embedded: number;
  /** Inputs that could not be read so far, likewise. */
  readonly skipped: number;
  /** Of this run. */
  readonly imagesPerSecond: number;
}

/** Settings of `embedToFile`. */
export interface EmbedToFileOptions extends EmbedOptions {
  /** F.parquet or F.npy */
  readonly out: string;
  /** Goes on where an earlier run stopped; false when left out. */
  readonly resume?: boolean | undefined;
  /** Replaces `out` where it is there already; false when left out. */
  readonly overwrite?: boolean | undefined;
  /** What else a resumed run must have in common with the one that it resumes, beside the model and these options. */
  readonly settings?: Readonly<Record<string, string | number | boolean>>;
  /**
   * What a file says about itself, such as the model's name: as JSON, under "sightline" in the metadata of a parquet file, in
   * F.npy.about.json beside a NumPy file.
   */
  readonly metadata?: Readonly<Record<string, string | number | boolean>>;
  /** Called after each batch. */
  readonly onProgress?: ((progress: EmbedProgress) => void) | undefined;
}

/** What `embedToFile` did. */
export interface EmbedSummary {
  /** Inputs, of this run and those that it resumed: embedded + skipped. */
  readonly images: number;
  readonly embedded: number;
  /** Inputs that could not be read. */
  readonly skipped: number;
  /** Inputs of this run that were named a second time, and passed over. */
  readonly duplicates: number;
  /** The first of those that could not be read; all are in `errorsFile`. */
  readonly errors: readonly { readonly path: string; readonly error: string }[];
  /** Of this run, in all; 0 when it had nothing to embed. */
  readonly imagesPerSecond: number;
  readonly out: string;
  /** `out` + ".errors.jsonl", where something was skipped. */
  readonly errorsFile?: string;
  /** D */
  readonly width: number;
}

const errorsShown = 10;

/** Where `embedToFile` keeps what it has done until `out` is complete. */
export function partialFolder(out: string): string {
  return `${out}.partial`;
}

/**
 * Embeds any number of images or texts into a parquet file (columns `key`, `path`, `text` with texts, `embedding` as a
 * list of float32) or a NumPy file (float32[N, D]; `out`.keys.jsonl names its rows,
 * `out`.about.json says what made them). Embeddings have length 1 unless
 * `normalize` is false. Memory does not grow with the embeddings, only with the paths.
 *
 * Rows are synced to `out`.partial batch by batch: a kill loses the batch in the tower, and `resume` goes on after what
 * is there, embedding nothing twice. Of a path that comes twice, the first counts. Inputs that cannot be read are
 * passed over and listed in `out`.errors.jsonl, unless `strict`. `out` itself is there in full or not at all.
 * @throws SightlineError `output-exists`, `resume-refused`, `journal-damaged`, or `bad-input` when there was no input at
 * all; the signal's reason; with `strict`, the error of the first input that cannot be read
 */
export async function embedToFile(
  inputs: { readonly tower: ImageTower; readonly images: Iterable<ImageInput> | AsyncIterable<ImageInput> } | { readonly tower: TextTower; readonly texts: Iterable<TextInput> | AsyncIterable<TextInput> },
  options: EmbedToFileOptions,
): Promise<EmbedSummary> {
  const { out, resume = false, normalize = true, signal } = options;
  const format = formatOf(out);
  await expectFree(options);
  const texts = "texts" in inputs;
  await mkdir(path.dirname(path.resolve(out)), { recursive: true });
  const kind = texts ? "texts" : "images";
  const settings = { ...options.settings, kind, normalize, batch: options.batch ?? usualBatch[kind] };
  const probe = await firstRow(texts ? embedTextBatches(inputs.tower, [probeText], { normalize }) : embedImageBatches(inputs.tower, [probeImage], { normalize }));
  const [seen, errors] = [new Set<string>(), [] as { path: string; error: string }[]];
  await using journal = await EmbedJournal.open(partialFolder(out), { options: settings, probe }, resume, (batch) => {
    for (const row of batch.rows) seen.add(row.path);
    for (const { path, error } of batch.failures) note(path, error);
  });

  function note(path: string, error: string): void {
    seen.add(path);
    if (errors.length < errorsShown) errors.push({ path, error });
  }

  const before = new Set(resume ? seen : []);
  let duplicates = 0;
  async function* fresh<T extends Named>(all: Iterable<T> | AsyncIterable<T>): AsyncGenerator<T> {
    for await (const input of all) {
      if (!seen.has(input.path)) {
        seen.add(input.path);
        yield input;
      } else if (!before.delete(input.path)) duplicates++;
    }
  }

  const started = performance.now();
  const rowsBefore = journal.rows;
  const imagesPerSecond = (): number => (journal.rows - rowsBefore) / Math.max(1e-3, (performance.now() - started) / 1000);
  const batches: AsyncGenerator<EmbeddedBatch> = texts
    ? embedTextBatches(inputs.tower, fresh(inputs.texts), options)
    : embedImageBatches(inputs.tower, fresh(inputs.images), options);
  for await (const batch of batches) {
    for (const failure of batch.failures) note(failure.path, failure.error.message);
    await journal.append(batch);
    options.onProgress?.({ embedded: journal.rows, skipped: journal.failures, imagesPerSecond: imagesPerSecond() });
  }
  signal?.throwIfAborted();
  const rate = imagesPerSecond();
  const { rows: embedded, failures: skipped, width } = journal;
  if (embedded + skipped === 0) {
    await journal.remove();
    throw new SightlineError("bad-input", `embedToFile: there is nothing to embed: expected at least one ${texts ? "text" : "image"}, got none`);
  }
  const errorsFile = await finish(journal, out, format, { texts, metadata: { ...options.metadata, normalized: normalize, width } });
  return { images: embedded + skipped, embedded, skipped, duplicates, errors, imagesPerSecond: rate, out, ...(errorsFile === undefined ? {} : { errorsFile }), width };
}

function formatOf(out: string): "parquet" | "npy" {
  const extension = path.extname(out).toLowerCase();
  if (extension === ".parquet" || extension === ".npy") return extension === ".npy" ? "npy" : "parquet";
  throw new RangeError(`embedToFile: expected an output named *.parquet or *.npy, got ${JSON.stringify(out)}`);
}

async function expectFree({ out, overwrite = false }: EmbedToFileOptions): Promise<void> {
  const there = await stat(out).then((stats) => stats, () => undefined);
  if (there?.isDirectory()) throw new SightlineError("output-exists", `embedToFile: ${out} is a folder; name a file`);
  if (there && !overwrite) throw new SightlineError("output-exists", `embedToFile: ${out} is there already, and complete; remove it, take another name, or replace it (--overwrite)`);
}

async function firstRow(batches: AsyncIterable<EmbeddedBatch>): Promise<number[]> {
  for await (const { embeddings, failures } of batches) {
    if (failures[0]) throw failures[0].error;
    return [...embeddings];
  }
  throw new RangeError("embedToFile: the tower gave no embedding");
}

interface OutputDetails {
  readonly texts: boolean;
  readonly metadata: Readonly<Record<string, string | number | boolean>>;
}

/** Makes the journal into the output and what lies beside it. Stopped anywhere, it can be done again. */
async function finish(journal: EmbedJournal, out: string, format: "parquet" | "npy", { texts, metadata }: OutputDetails): Promise<string | undefined> {
  const { rows, width } = journal;
  const staging = path.join(partialFolder(out), "output");
  const errorsFile = journal.failures > 0 ? `${out}.errors.jsonl` : undefined;
  if (errorsFile === undefined) await rm(`${out}.errors.jsonl`, { force: true });
  else await writeDurably(errorsFile, staging, (to) => writeLines(to, journal, "failures"));
  if (format === "npy") {
    await writeDurably(keysFile(out), staging, (to) => writeLines(to, journal, "rows"));
    await writeDurably(aboutFile(out), staging, (to) => to.writeFile(`${JSON.stringify(metadata)}\n`));
    await writeDurably(out, staging, (to) => writeNpy(to, rows, width, journal.batches()));
  } else await writeDurably(out, staging, (to) => writeParquet(to, { width, texts, metadata }, journal.batches()));
  await journal.remove();
  return errorsFile;
}

async function writeLines(to: Parameters<typeof writeFully>[0], journal: EmbedJournal, which: "rows" | "failures"): Promise<void> {
  for await (const record of journal.records()) {
    const lines = record[which].map((entry) => `${JSON.stringify(entry)}\n`);
    if (lines.length > 0) await writeFully(to, Buffer.from(lines.join("")));
  }
}
