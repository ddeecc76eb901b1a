import { constants } from "node:fs";
import { open, type FileHandle } from "node:fs/promises";
import { quoted } from "./quoted.js";
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
    if (this.#closed) throw new WeightsError(`${this.path}: reading ${quoted(name)}: the file is closed`);
    const info = this.tensors.get(name);
    if (!info) throw new WeightsError(`${this.path}: there is no tensor ${quoted(name)}; the file holds ${this.tensors.size}`);
    const reading = read(this.#files.get(info.file) as FileHandle, info);
    this.#reading.add(reading);
    try {
      return await reading;
    } finally {
      this.#reading.delete(reading);
    }
  }
}

// Opening a named pipe would otherwise wait for someone to write into it. Windows has neither.
const openFlags = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0);

/** Opens a file for reading. Throws WeightsError when it is missing, unreadable or no regular file. */
export async function openFile(path: string): Promise<{ readonly file: FileHandle; readonly size: number }> {
  let file: FileHandle | undefined;
  try {
    file = await open(path, openFlags);
    const stats = await file.stat();
    if (!stats.isFile()) throw new WeightsError(`${path}: expected a file, got a ${stats.isDirectory() ? "directory" : "special file"}`);
    return { file, size: stats.size };
  } catch (cause) {
    await file?.close();
    if (cause instanceof WeightsError) throw cause;
    const code = (cause as NodeJS.ErrnoException).code;
    throw new WeightsError(`${path}: ${code === "ENOENT" || code === "ENOTDIR" ? "no such file" : `cannot be opened (${code})`}`, { cause });
  }
}

/** One call to the system reads at most this; some systems take no more than 2 GB, and then not all. */
const maxReadBytes = 2 ** 28;

/**
 * Fills `into` from byte `position` of a file on.
 * @throws WeightsError when the file ends before, or the system cannot read it
 */
export async function readAt(file: FileHandle, name: string, into: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < into.length; ) {
    const { bytesRead } = await file.read(into, done, Math.min(into.length - done, maxReadBytes), position + done).catch((cause: unknown) => {
      throw new WeightsError(`${name}: cannot be read at byte ${position + done} (${(cause as NodeJS.ErrnoException).code})`, { cause });
    });
    if (bytesRead === 0) throw new WeightsError(`${name}: ended at byte ${position + done} while bytes ${position} to ${position + into.length} were read: it has become shorter`);
    done += bytesRead;
  }
}
