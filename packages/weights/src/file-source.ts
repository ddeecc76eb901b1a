import { open, type FileHandle } from "node:fs/promises";
import { readTensorBytes, readTensorFloat32 } from "./read-tensor.js";
import type { MetadataValue, TensorInfo, WeightSource } from "./weight-source.js";
import { WeightsError } from "./weights-error.js";

/** Tensors of opened and validated files. */
export class FileSource implements WeightSource {
  readonly path: string;
  readonly format: "safetensors" | "gguf";
  readonly metadata: ReadonlyMap<string, MetadataValue>;
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  readonly #files: ReadonlyMap<string, FileHandle>;
  readonly #reading = new Set<Promise<unknown>>();
  #closed: Promise<void> | undefined;

  constructor(
    path: string,
    format: "safetensors" | "gguf",
    metadata: ReadonlyMap<string, MetadataValue>,
    tensors: ReadonlyMap<string, TensorInfo>,
    files: ReadonlyMap<string, FileHandle>,
  ) {
    this.path = path;
    this.format = format;
    this.metadata = metadata;
    this.tensors = tensors;
    this.#files = files;
  }

  readFloat32(name: string): Promise<Float32Array> {
    return this.#read(name, readTensorFloat32);
  }

  readBytes(name: string): Promise<Uint8Array> {
    return this.#read(name, readTensorBytes);
  }

  /** Waits for reads under way, then closes the files. A second call does nothing more. */
  close(): Promise<void> {
    this.#closed ??= Promise.allSettled(this.#reading).then(async () => {
      await Promise.all([...this.#files.values()].map((file) => file.close()));
    });
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #read<T>(name: string, read: (file: FileHandle, info: TensorInfo) => Promise<T>): Promise<T> {
    if (this.#closed) throw new WeightsError(`${this.path}: reading "${name}": the file is closed`);
    const info = this.tensors.get(name);
    if (!info) throw new WeightsError(`${this.path}: there is no tensor "${name}"; the file holds ${this.tensors.size}`);
    const reading = read(this.#files.get(info.file) as FileHandle, info);
    this.#reading.add(reading);
    try {
      return await reading;
    } finally {
      this.#reading.delete(reading);
    }
  }
}

/** Opens a file for reading. Throws WeightsError when it is missing, unreadable or no regular file. */
export async function openFile(path: string): Promise<{ readonly file: FileHandle; readonly size: number }> {
  let file: FileHandle | undefined;
  try {
    file = await open(path, "r");
    const stats = await file.stat();
    if (!stats.isFile()) throw new WeightsError(`${path}: expected a file, got a ${stats.isDirectory() ? "directory" : "special file"}`);
    return { file, size: stats.size };
  } catch (cause) {
    await file?.close();
    if (cause instanceof WeightsError) throw cause;
    const missing = (cause as NodeJS.ErrnoException).code === "ENOENT";
    throw new WeightsError(`${path}: ${missing ? "no such file" : `cannot be opened (${(cause as NodeJS.ErrnoException).code})`}`, { cause });
  }
}

/** Reads up to `length` bytes from the start of a file. */
export async function readStart(file: FileHandle, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  let done = 0;
  while (done < length) {
    const { bytesRead } = await file.read(bytes, done, length - done, done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return bytes.subarray(0, done);
}
