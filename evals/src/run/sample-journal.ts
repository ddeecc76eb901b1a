import { open, readFile, rename, type FileHandle } from "node:fs/promises";
import { EvalError } from "../eval-error.js";

/** What a model said of one sample; nothing in it depends on when or beside what it was computed. */
export interface SampleRecord {
  /** Its place in the task's set. */
  readonly index: number;
  readonly id: string;
  readonly prompt: string;
  readonly prediction?: string;
  /** float32[D] of the picture and float32[T, D] of its texts, base64. */
  readonly image?: string;
  readonly texts?: string;
}

/**
 * Samples of a run in a file of JSON lines, one appended as soon as it is finished and on the disk before long: a killed
 * process loses at most what the disk was being told. Those that finish while it is told go together with the next.
 */
export class SampleJournal implements AsyncDisposable {
  readonly #file: string;
  readonly #handle: FileHandle;
  /** Finished samples of earlier runs and of this one, by id. */
  readonly records: Map<string, SampleRecord>;
  #waiting: string[] = [];
  #writing: Promise<void> | undefined;

  private constructor(file: string, handle: FileHandle, records: Map<string, SampleRecord>) {
    this.#file = file;
    this.#handle = handle;
    this.records = records;
  }

  /**
   * Opens a journal and reads what is in it. A last line that a kill cut short is dropped.
   * @throws EvalError `journal-damaged` for a line in its middle that is no record
   */
  static async open(file: string): Promise<SampleJournal> {
    const text = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return "";
      throw error;
    });
    const whole = text.slice(0, text.lastIndexOf("\n") + 1);
    const records = new Map<string, SampleRecord>();
    for (const [i, line] of whole.split("\n").slice(0, -1).entries()) records.set(...keyed(file, i, line));
    const handle = await open(file, "a");
    await handle.truncate(Buffer.byteLength(whole));
    return new SampleJournal(file, handle, records);
  }

  /** Resolves once the record is on the disk. */
  append(record: SampleRecord): Promise<void> {
    this.records.set(record.id, record);
    this.#waiting.push(`${JSON.stringify(record)}\n`);
    return (this.#writing ??= this.#write());
  }

  async #write(): Promise<void> {
    try {
      while (this.#waiting.length > 0) {
        const lines = this.#waiting.splice(0);
        await this.#handle.appendFile(lines.join(""));
        await this.#handle.datasync();
      }
    } finally {
      this.#writing = undefined;
    }
  }

  /** Writes the file anew in the samples' order, so that it does not tell in what order they were finished. */
  async sort(): Promise<void> {
    await this.#writing;
    const written = [...this.records.values()];
    const records = written.toSorted((a, b) => a.index - b.index);
    if (records.every((record, i) => record === written[i])) return;
    await writeWhole(this.#file, records.map((record) => `${JSON.stringify(record)}\n`).join(""));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writing;
    await this.#handle.close();
  }
}

function keyed(file: string, index: number, line: string): [string, SampleRecord] {
  try {
    const record = JSON.parse(line) as SampleRecord;
    if (typeof record.id === "string" && Number.isInteger(record.index)) return [record.id, record];
  } catch {
    // Told below.
  }
  throw new EvalError("journal-damaged", `eval: ${file}: line ${index + 1} is no sample of a run; delete the file, or the lines from there on, and resume`);
}

/** Writes a file that is there in full or not at all. */
export async function writeWhole(file: string, contents: string): Promise<void> {
  const staging = `${file}.partial`;
  {
    await using handle = await open(staging, "w");
    await handle.writeFile(contents);
    await handle.sync();
  }
  await rename(staging, file);
}
