import type { FileHandle } from "node:fs/promises";
import { readFully, unnamedFile } from "./unnamed-file.js";

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
    return new BatchRows(width, undefined, await unnamedFile());
  }

  async write(row: number, bytes: Uint8Array): Promise<void> {
    if (this.#memory) this.#memory.set(bytes, row * this.#width);
    else await this.#file?.write(bytes, 0, bytes.length, row * this.#width);
  }

  /** Rows from <= i < to: uint8[to - from, width]. */
  async read(from: number, to: number): Promise<Uint8Array> {
    if (this.#memory) return this.#memory.subarray(from * this.#width, to * this.#width);
    return readFully(this.#file as FileHandle, from * this.#width, (to - from) * this.#width);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file?.close();
  }
}
