import type { FileHandle } from "node:fs/promises";
import { quoted } from "./quoted.js";
import { readTensorBytes, readTensorFloat32, readTensorRows } from "./read-tensor.js";
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

  readRows(name: string, rows: ArrayLike<number>): Promise<Float32Array> {
    return this.#read(name, (file, info) => readTensorRows(file, info, rows));
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
