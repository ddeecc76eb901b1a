import { createHash } from "node:crypto";
import { mkdir, readdir, rm, stat, utimes } from "node:fs/promises";
import path from "node:path";
import { openSafetensors, writeSafetensors, WeightsError } from "@sightline/weights";

/** Where a chat keeps the rows of pictures between runs. */
export interface EmbeddingStoreOptions {
  /** A folder, made where there is none. */
  readonly directory: string;
  /** What the folder may hold, bytes; what was used longest ago goes first. 1 GiB when left out. */
  readonly maxBytes?: number;
}

/**
 * Rows of pictures on disk, a safetensors file for each, named after pixels, plan and model. A file that is damaged, or of
 * another shape, counts as none and is written anew. Several processes may share a folder: files appear whole or not at all.
 */
export class EmbeddingStore {
  readonly #directory: string;
  readonly #maxBytes: number;
  readonly #model: string;

  /** @param model names tower, projector and preprocessing: rows of another model are never taken for this one's */
  constructor({ directory, maxBytes = 2 ** 30 }: EmbeddingStoreOptions, model: string) {
    if (!(maxBytes >= 0)) throw new RangeError(`EmbeddingStore: expected maxBytes to be 0 or more, got ${maxBytes}`);
    this.#directory = directory;
    this.#maxBytes = maxBytes;
    this.#model = model;
  }

  /** Rows that were kept under a key, where they have these lengths. */
  async read(key: string, lengths: readonly number[]): Promise<Float32Array[] | undefined> {
    const file = this.#file(key);
    try {
      await using source = await openSafetensors(file);
      const rows = await Promise.all(lengths.map((_, i) => source.readFloat32(`rows.${i}`)));
      if (source.tensors.size !== lengths.length || rows.some((values, i) => values.length !== lengths[i] || !values.every(Number.isFinite))) return undefined;
      const now = new Date();
      await utimes(file, now, now).catch(() => {});
      return rows;
    } catch (error) {
      if (error instanceof WeightsError) return undefined;
      throw error;
    }
  }

  /** Keeps rows, then drops the files used longest ago that are too much. */
  async write(key: string, rows: readonly Float32Array[], width: number): Promise<void> {
    await mkdir(this.#directory, { recursive: true });
    await writeSafetensors(this.#file(key), rows.map((data, i) => ({ name: `rows.${i}`, dtype: "F32", shape: [data.length / width, width], data })));
    await this.#trim();
  }

  #file(key: string): string {
    return path.join(this.#directory, `${createHash("sha256").update(this.#model).update(key).digest("hex")}.safetensors`);
  }

  async #trim(): Promise<void> {
    const names = (await readdir(this.#directory)).filter((name) => /^[0-9a-f]{64}\.safetensors$/.test(name));
    const found = await Promise.all(names.map(async (name) => {
      const file = path.join(this.#directory, name);
      // Another process may have dropped it meanwhile.
      const stats = await stat(file).catch(() => undefined);
      return { file, bytes: stats?.size ?? 0, used: stats?.mtimeMs ?? 0 };
    }));
    let total = found.reduce((sum, { bytes }) => sum + bytes, 0);
    for (const { file, bytes } of found.toSorted((a, b) => a.used - b.used)) {
      if (total <= this.#maxBytes) break;
      await rm(file, { force: true });
      total -= bytes;
    }
  }
}
