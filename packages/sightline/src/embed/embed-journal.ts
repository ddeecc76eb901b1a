import { createReadStream } from "node:fs";
import { mkdir, open, readFile, rm, stat, type FileHandle } from "node:fs/promises";
import path from "node:path";
import { SightlineError } from "../sightline-error.js";
import { byteLines } from "./byte-lines.js";
import { readFully, syncFolder, writeDurably, writeFully } from "./durable-file.js";
import type { EmbeddedBatch, Named } from "./embed-batches.js";
import { lockFolder } from "./folder-lock.js";

/** What must be the same for a run to go on where another stopped. */
export interface JournalSettings {
  /** Options, by the name that the user knows them by. */
  readonly options: Readonly<Record<string, string | number | boolean>>;
  /** float32[D]: what the model makes of an input that is always the same. */
  readonly probe: readonly number[];
}

/** An input that failed, as it is written down. */
export interface RecordedFailure extends Named {
  /** The error's message. */
  readonly error: string;
}

/** A batch as it is written down. */
export interface RecordedBatch {
  readonly rows: readonly Named[];
  readonly failures: readonly RecordedFailure[];
}

const manifestName = "manifest.json";
const recordsName = "batches.jsonl";
const embeddingsName = "embeddings.f32";
const version = 1;
/** Relative to the largest value: threads and devices round differently, another model is far away. */
const probeTolerance = 1e-2;

/**
 * What was embedded so far, in a folder: `embeddings.f32` (rows of float32, little-endian), then a line for each batch
 * in `batches.jsonl`. Both are synced batch by batch and only appended to, rows first, so that the lines never promise
 * what is not there; a line or rows that a kill cut short are dropped on resuming.
 */
export class EmbedJournal implements AsyncDisposable {
  /** D */
  readonly width: number;
  readonly #folder: string;
  readonly #records: FileHandle;
  readonly #embeddings: FileHandle;
  readonly #unlock: () => Promise<void>;
  #rows = 0;
  #failures = 0;
  #recordBytes = 0;

  private constructor(folder: string, width: number, records: FileHandle, embeddings: FileHandle, unlock: () => Promise<void>) {
    this.#folder = folder;
    this.width = width;
    this.#records = records;
    this.#embeddings = embeddings;
    this.#unlock = unlock;
  }

  /** Rows written down. */
  get rows(): number {
    return this.#rows;
  }

  /** Failures written down. */
  get failures(): number {
    return this.#failures;
  }

  /**
   * Opens a folder's journal, or begins one.
   * @param onBatch told every batch that is there already
   * @throws SightlineError `output-exists` when there is one and `resume` is false, or another process writes it;
   * `resume-refused` when it was begun with other settings; `journal-damaged` when its files do not fit together
   */
  static async open(folder: string, settings: JournalSettings, resume: boolean, onBatch: (batch: RecordedBatch) => void): Promise<EmbedJournal> {
    await mkdir(folder, { recursive: true });
    const unlock = await lockFolder(folder);
    const handles: FileHandle[] = [];
    try {
      const manifest = path.join(folder, manifestName);
      const begun = (await sizeOf(manifest)) > 0 && (await sizeOf(path.join(folder, recordsName))) > 0;
      if (begun && !resume) throw new SightlineError("output-exists", `embed: ${folder} is what an earlier run got done; resume it (--resume), or remove the folder to start over`);
      if (begun) await checkSettings(manifest, settings);
      else {
        // A run that was killed before it had written a batch down left nothing of use.
        for (const name of [recordsName, embeddingsName]) await rm(path.join(folder, name), { force: true });
        await writeDurably(manifest, `${manifest}.new`, (to) => to.writeFile(`${JSON.stringify({ version, ...settings })}\n`));
      }
      for (const name of [recordsName, embeddingsName]) handles.push(await open(path.join(folder, name), "a+"));
      const journal = new EmbedJournal(folder, settings.probe.length, handles[0] as FileHandle, handles[1] as FileHandle, unlock);
      await journal.#recover(onBatch);
      await syncFolder(folder);
      return journal;
    } catch (error) {
      for (const handle of handles) await handle.close();
      await unlock();
      throw error;
    }
  }

  /** Writes a batch down; when it resolves, no kill can lose it. */
  async append({ rows, embeddings, failures }: EmbeddedBatch): Promise<void> {
    if (embeddings.length !== rows.length * this.width) {
      throw new RangeError(`EmbedJournal.append: expected ${rows.length} rows of ${this.width} values, got ${embeddings.length} values`);
    }
    const record: RecordedBatch = { rows, failures: failures.map(({ error, ...named }) => ({ ...named, error: error.message })) };
    if (rows.length > 0) {
      await writeFully(this.#embeddings, new Uint8Array(embeddings.buffer, embeddings.byteOffset, embeddings.byteLength));
      await this.#embeddings.datasync();
    }
    const line = Buffer.from(`${JSON.stringify(record)}\n`);
    await writeFully(this.#records, line);
    await this.#records.datasync();
    this.#count(record, line.length);
  }

  /** Every batch so far, in order, without its embeddings. */
  async *records(): AsyncGenerator<RecordedBatch> {
    for await (const { record } of this.#recorded(this.#recordBytes)) yield record;
  }

  /** As `records`, with float32[rows, D] each. */
  async *batches(): AsyncGenerator<RecordedBatch & { readonly embeddings: Float32Array }> {
    let at = 0;
    for await (const record of this.records()) {
      const embeddings = new Float32Array(record.rows.length * this.width);
      await readFully(this.#embeddings, new Uint8Array(embeddings.buffer), at);
      at += embeddings.byteLength;
      yield { ...record, embeddings };
    }
  }

  /** Deletes it, once it has been made into something else. */
  async remove(): Promise<void> {
    await this[Symbol.asyncDispose]();
    await rm(this.#folder, { recursive: true, force: true });
  }

  /** Closes the files, and deletes them where nothing was written down; a second call does nothing. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#records.close();
    await this.#embeddings.close();
    if (this.#recordBytes === 0) await rm(this.#folder, { recursive: true, force: true });
    await this.#unlock();
  }

  #count({ rows, failures }: RecordedBatch, bytes: number): void {
    this.#rows += rows.length;
    this.#failures += failures.length;
    this.#recordBytes += bytes;
  }

  /** Counts what is there, and cuts off what was not written in full. */
  async #recover(onBatch: (batch: RecordedBatch) => void): Promise<void> {
    for await (const { record, end } of this.#recorded(Number.POSITIVE_INFINITY)) {
      this.#count(record, end - this.#recordBytes);
      onBatch(record);
    }
    const rowBytes = this.#rows * this.width * 4;
    const { size } = await this.#embeddings.stat();
    if (size < rowBytes) throw this.#damaged(`${embeddingsName} has ${size} bytes, and ${recordsName} names ${this.#rows} rows of ${this.width * 4}`);
    await this.#embeddings.truncate(rowBytes);
    await this.#records.truncate(this.#recordBytes);
  }

  async *#recorded(bytes: number): AsyncGenerator<{ readonly record: RecordedBatch; readonly end: number }> {
    if (bytes === 0) return;
    const stream = createReadStream(path.join(this.#folder, recordsName), { end: bytes - 1 });
    for await (const { bytes: line, end, complete } of byteLines(stream)) {
      if (!complete) return;
      yield { record: this.#parse(line, end), end };
    }
  }

  #parse(line: Uint8Array, end: number): RecordedBatch {
    try {
      const record = JSON.parse(Buffer.from(line).toString()) as Partial<RecordedBatch>;
      if (Array.isArray(record.rows) && Array.isArray(record.failures)) return { rows: record.rows, failures: record.failures };
    } catch (cause) {
      throw this.#damaged(`the line of ${recordsName} that ends at byte ${end} cannot be read`, cause);
    }
    throw this.#damaged(`the line of ${recordsName} that ends at byte ${end} is no batch`);
  }

  #damaged(problem: string, cause?: unknown): SightlineError {
    return new SightlineError("journal-damaged", `EmbedJournal: ${this.#folder}: ${problem}; remove the folder to start over`, cause === undefined ? undefined : { cause });
  }
}

async function checkSettings(manifest: string, { options, probe }: JournalSettings): Promise<void> {
  const refused = (problem: string, cause?: unknown): SightlineError =>
    new SightlineError("resume-refused", `embed: ${path.dirname(manifest)} cannot be resumed: ${problem}; run it as it was begun, or remove the folder to start over`, cause === undefined ? undefined : { cause });
  let begun: { version?: unknown; options?: Record<string, unknown>; probe?: number[] };
  try {
    begun = JSON.parse(await readFile(manifest, "utf8")) as typeof begun;
  } catch (cause) {
    throw refused(`its ${manifestName} cannot be read`, cause);
  }
  if (begun.version !== version || !begun.options || !Array.isArray(begun.probe)) throw refused("another version of Sightline began it");
  for (const name of new Set([...Object.keys(begun.options), ...Object.keys(options)])) {
    const [was, is] = [begun.options[name], options[name]];
    if (was !== is) throw refused(`${name} was ${JSON.stringify(was)}, and is ${JSON.stringify(is)} now`);
  }
  if (begun.probe.length !== probe.length) throw refused(`the model gave embeddings of width ${begun.probe.length}, and gives ${probe.length} now`);
  const furthest = probe.reduce((most, value, i) => Math.max(most, Math.abs(value - (begun.probe?.[i] ?? Number.NaN))), 0);
  const size = probe.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  if (!(furthest <= probeTolerance * size)) throw refused("the model is another one, or its weights or settings changed: the same input gives another embedding");
}

/** Bytes, 0 for a file that is not there. */
async function sizeOf(file: string): Promise<number> {
  return stat(file).then(({ size }) => size, () => 0);
}
