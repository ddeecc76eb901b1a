import type { FileHandle } from "node:fs/promises";
import { writeFully } from "../embed/durable-file.js";
import { readFully, unnamedFile } from "./unnamed-file.js";

/**
 * Image files that came inside tables and archives, for as long as a run needs them: the first so many bytes in memory, what
 * comes after in a temporary file, which is gone when this is disposed of or the process ends.
 */
export class ImageSpool implements AsyncDisposable {
  readonly #keepBytes: number;
  #keptBytes = 0;
  #file: FileHandle | undefined;
  #fileBytes = 0;

  /** @param keepBytes the most that is held in memory */
  constructor(keepBytes: number = 512 * 2 ** 20) {
    this.#keepBytes = keepBytes;
  }

  /** Bytes in the temporary file. */
  get fileBytes(): number {
    return this.#fileBytes;
  }

  /** Keeps the bytes of one image; they come back as they are, or from the file when they are asked for. One call at a time. */
  async keep(bytes: Uint8Array): Promise<Uint8Array | (() => Promise<Uint8Array>)> {
    if (this.#keptBytes + bytes.length <= this.#keepBytes) {
      this.#keptBytes += bytes.length;
      return bytes;
    }
    const file = (this.#file ??= await unnamedFile());
    const offset = this.#fileBytes;
    await writeFully(file, bytes, offset);
    this.#fileBytes += bytes.length;
    const { length } = bytes;
    return () => readFully(file, offset, length);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file?.close();
  }
}
