import { randomUUID } from "node:crypto";
import { open, rm, type FileHandle } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";

/** Rows of equal length that are written once, in any order, and read many times: in memory, or in a file where they are many. */
export class BatchRows implements AsyncDisposable {
  readonly #width: number;
  readonly #memory: Uint8Array | undefined;
  readonly #file: FileHandle | undefined;

  private constructor(width: number, memory: Uint8Array | undefined, file: FileHandle | undefined) {
    this.#width = width;
    this.#memory = memory;
    this.#file = file;
  }

  /**
   * @param width bytes of a row
   * @param keepBytes the most that is held in memory; more goes to a file in the system's temporary folder, which is gone
   * when these rows are disposed of, or the process ends
   */
  static async create(count: number, width: number, keepBytes: number): Promise<BatchRows> {
    if (count * width <= keepBytes) return new BatchRows(width, new Uint8Array(count * width), undefined);
    const name = path.join(tmpdir(), `sightline-batch-${randomUUID()}`);
    const file = await open(name, "wx+");
    // Without its name the file lives as long as it is open, however the process ends; Windows keeps the name.
    await rm(name, { force: true }).catch(() => undefined);
    return new BatchRows(width, undefined, file);
  }

  async write(row: number, bytes: Uint8Array): Promise<void> {
    if (this.#memory) this.#memory.set(bytes, row * this.#width);
    else await this.#file?.write(bytes, 0, bytes.length, row * this.#width);
  }

  /** Rows from <= i < to: uint8[to - from, width]. */
  async read(from: number, to: number): Promise<Uint8Array> {
    if (this.#memory) return this.#memory.subarray(from * this.#width, to * this.#width);
    const bytes = new Uint8Array((to - from) * this.#width);
    for (let done = 0; done < bytes.length; ) {
      const { bytesRead } = (await this.#file?.read(bytes, done, Math.min(bytes.length - done, 2 ** 30), from * this.#width + done)) ?? { bytesRead: 0 };
      if (bytesRead === 0) throw new Error(`BatchRows.read: the temporary file ends at byte ${from * this.#width + done}`);
      done += bytesRead;
    }
    return bytes;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file?.close();
  }
}
