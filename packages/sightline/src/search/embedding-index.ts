import { availableParallelism } from "node:os";
import type { Named } from "../embed/embed-batches.js";
import { SightlineError } from "../sightline-error.js";
import { LargestValues } from "./best-rows.js";
import { hasDotKernel } from "./dot-rows.js";
import type { EmbeddingSource, IndexAbout } from "./embedding-source.js";
import { freeMemory } from "./free-memory.js";
import { openEmbeddings } from "./open-embeddings.js";
import { cosine, leastProduct, quantize } from "./quantized-rows.js";
import { readExactly, type Extent, type LoadTask, type ScanTask } from "./scan-tasks.js";
import { ScanThreads } from "./scan-threads.js";
import { planSegments, queriesAtOnce, type Segment } from "./segment.js";
import { allocateShared, bufferOf } from "./shared-memory.js";

/** A row that a search found. */
export interface SearchHit extends Named {
  /** Cosine of the row and the query, -1 to 1. */
  readonly score: number;
  /** Counted from 0, in the order of the file. */
  readonly row: number;
}

/** What opening an index will take. */
export interface IndexSize {
  readonly rows: number;
  /** D */
  readonly width: number;
  /** Bytes that it will hold in memory. */
  readonly memory: number;
  /** Bytes that are free. */
  readonly free: number;
}

/** Settings of `openIndex`. */
export interface OpenIndexOptions {
  /** Threads that load and scan; one for each core when left out. A small index is scanned in the caller's thread. */
  readonly threads?: number | undefined;
  /** Told before anything is loaded. */
  readonly onSize?: ((size: IndexSize) => void) | undefined;
  /** Told how much is loaded, 0 to 1. */
  readonly onProgress?: ((share: number) => void) | undefined;
  /** Ends the loading with its reason. */
  readonly signal?: AbortSignal | undefined;
}

/** What one task of a thread reads or scans. */
const taskBytes = 32 * 2 ** 20;
/** Scanned in the caller's thread in less than a message takes to another. */
const smallBytes = 4 * 2 ** 20;
/** Left to the rest of the process and of the machine. */
const spareBytes = 256 * 2 ** 20;

/**
 * Opens a file that `sightline embed` wrote (F.parquet or F.npy), or another with the same columns, for exact searches.
 * Rows are held as int16, half the size of the file; float32 is read from the file for the few rows that count, so the
 * file must stay as it is while the index is open.
 * @throws SightlineError `bad-input` for what is no such file, `memory-short` for one that does not fit into memory; the
 *   signal's reason
 */
export async function openIndex(file: string, options: OpenIndexOptions = {}): Promise<EmbeddingIndex> {
  const { threads = availableParallelism(), onSize, onProgress, signal } = options;
  if (!Number.isSafeInteger(threads) || threads < 1) throw new RangeError(`openIndex: expected threads to be at least 1, got ${threads}`);
  signal?.throwIfAborted();
  const source = await openEmbeddings(file, signal);
  let pool: ScanThreads | undefined;
  try {
    const plan = planSegments(source.rows, source.width);
    const memory = plan.reduce((sum, { bytes }) => sum + bytes, 0);
    const free = freeMemory();
    onSize?.({ rows: source.rows, width: source.width, memory, free });
    if (memory + spareBytes > free) throw tooLarge(file, source, memory, free);
    const segments = plan.map(({ bytes, ...layout }): Segment => ({ ...layout, memory: allocateShared(bytes, hasDotKernel()) }));
    pool = new ScanThreads(segments, memory <= smallBytes ? 0 : threads);
    const unusable = await load(source, segments, pool, onProgress, signal);
    return new EmbeddingIndex(source, segments, pool, { memory, unusable });
  } catch (error) {
    await pool?.end();
    await source[Symbol.asyncDispose]();
    throw error;
  }
}

function tooLarge(file: string, { rows, width }: EmbeddingSource, memory: number, free: number): SightlineError {
  const mib = (bytes: number): string => `${Math.ceil(bytes / 2 ** 20).toLocaleString("en")} MiB`;
  return new SightlineError("memory-short", `openIndex: ${file}: ${rows} embeddings of width ${width} take ${mib(memory)}, and ${mib(Math.max(0, free - spareBytes))} are free; close other programs, or split the file and search its parts`);
}

/** @returns how many rows have no direction */
async function load(source: EmbeddingSource, segments: readonly Segment[], pool: ScanThreads, onProgress: ((share: number) => void) | undefined, signal: AbortSignal | undefined): Promise<number> {
  const { fd, width, rows } = source;
  const rowsAtOnce = Math.max(1, Math.floor(taskBytes / (width * 4)));
  const tasks: LoadTask[] = [];
  for (const [segment, { firstRow, rows: count }] of segments.entries()) {
    let extents: Extent[] = [];
    let gathered = 0;
    const flush = (): void => {
      if (extents.length > 0) tasks.push({ kind: "load", segment, fd, width, extents });
      [extents, gathered] = [[], 0];
    };
    for (const extent of source.extents) {
      const [from, to] = [Math.max(extent.firstRow, firstRow), Math.min(extent.firstRow + extent.rows, firstRow + count)];
      for (let row = from; row < to; ) {
        const part = Math.min(to - row, rowsAtOnce - gathered);
        extents.push({ at: extent.at + (row - extent.firstRow) * width * 4, firstRow: row, rows: part });
        row += part;
        gathered += part;
        if (gathered === rowsAtOnce) flush();
      }
    }
    flush();
  }
  let loaded = 0;
  return pool.run(tasks, {
    signal,
    onDone: (task) => {
      loaded += (task as LoadTask).extents.reduce((sum, extent) => sum + extent.rows, 0);
      onProgress?.(loaded / rows);
    },
  });
}

/**
 * Embeddings that are searched for those nearest to a query. The result is exact: the rows whose cosines with the query,
 * computed in doubles from the file's float32 values, are the k largest; of equal ones, those that come first in the file.
 *
 * All rows are compared as int16, by WebAssembly SIMD in several threads. A bound on the rounding says which rows could be
 * among the best; those are read from the file and compared exactly.
 */
export class EmbeddingIndex implements AsyncDisposable {
  /** Rows, those that cannot be found included. */
  readonly size: number;
  /** D */
  readonly width: number;
  /** Rows that no search finds, because they have no direction: zeros, or values that are not finite. */
  readonly unusable: number;
  /** Bytes held in memory. */
  readonly memory: number;
  /** What the file says about the model that made it. */
  readonly about: IndexAbout;
  readonly #source: EmbeddingSource;
  readonly #segments: readonly Segment[];
  readonly #pool: ScanThreads;
  /** Searches share the segments' space for queries and products. */
  #last: Promise<unknown> = Promise.resolve();
  #disposed = false;

  /** @internal Use `openIndex`. */
  constructor(source: EmbeddingSource, segments: readonly Segment[], pool: ScanThreads, { memory, unusable }: { readonly memory: number; readonly unusable: number }) {
    this.size = source.rows;
    this.width = source.width;
    this.unusable = unusable;
    this.memory = memory;
    this.about = source.about;
    this.#source = source;
    this.#segments = segments;
    this.#pool = pool;
  }

  /**
   * The `k` rows nearest to each vector, nearest first.
   * @param vectors float32[Q, D], as one array or one for each; their lengths do not matter
   * @returns for each vector its hits: k, or as many as there are
   * @throws RangeError for other sizes; SightlineError `bad-input` for a vector without a direction, `disposed`; the
   *   signal's reason
   */
  async search(vectors: Float32Array | readonly Float32Array[], k: number, { signal }: { readonly signal?: AbortSignal | undefined } = {}): Promise<SearchHit[][]> {
    if (this.#disposed) throw new SightlineError("disposed", "EmbeddingIndex.search: the index is disposed");
    if (!Number.isSafeInteger(k) || k < 1) throw new RangeError(`EmbeddingIndex.search: expected k to be at least 1, got ${k}`);
    const queries = this.#rowsOf(vectors);
    const run = this.#last.then(() => this.#search(queries, k, signal));
    this.#last = run.catch(() => undefined);
    return run;
  }

  /** Waits for searches under way, then frees threads and file; a second call does nothing. */
  async dispose(): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    await this.#last;
    await this.#pool.end();
    await this.#source[Symbol.asyncDispose]();
  }

  /** Ends its threads, after searches under way. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  #rowsOf(vectors: Float32Array | readonly Float32Array[]): Float32Array[] {
    // An index without rows does not know its width, and finds nothing for a query of any.
    const width = this.width || (vectors instanceof Float32Array ? vectors.length : (vectors[0]?.length ?? 0));
    if (vectors instanceof Float32Array) {
      if (vectors.length === 0 || vectors.length % width !== 0) throw new RangeError(`EmbeddingIndex.search: expected vectors to be rows of ${width} values, got ${vectors.length} values`);
      return Array.from({ length: vectors.length / width }, (_, i) => vectors.slice(i * width, (i + 1) * width));
    }
    for (const [i, vector] of vectors.entries()) if (vector.length !== width) throw new RangeError(`EmbeddingIndex.search: expected vectors of ${width} values, got ${vector.length} in vector ${i}`);
    return vectors.map((vector) => vector.slice());
  }

  async #search(queries: readonly Float32Array[], k: number, signal: AbortSignal | undefined): Promise<SearchHit[][]> {
    const hits: SearchHit[][] = [];
    for (let first = 0; first < queries.length; first += queriesAtOnce) {
      signal?.throwIfAborted();
      const group = queries.slice(first, first + queriesAtOnce);
      this.#putQueries(group, first);
      await this.#pool.run(this.#scanTasks(group.length), { signal });
      for (const [i, query] of group.entries()) hits.push(await this.#named(this.#best(this.#candidates(i, k), query, k)));
    }
    return hits;
  }

  #putQueries(queries: readonly Float32Array[], first: number): void {
    for (const [i, query] of queries.entries()) {
      const quantized = new Int16Array(query.length);
      if (!quantize(query, 0, query.length, quantized, 0)) {
        throw new SightlineError("bad-input", `EmbeddingIndex.search: vector ${first + i} has no direction: it is all zeros, or a value is not finite`);
      }
      for (const { memory, queriesAt, stride } of this.#segments) new Int16Array(bufferOf(memory), queriesAt + i * stride, this.width).set(quantized);
    }
  }

  #scanTasks(queries: number): ScanTask[] {
    return this.#segments.flatMap(({ rows, stride }, segment) => {
      const most = Math.max(4, Math.floor(taskBytes / stride));
      return Array.from({ length: Math.ceil(rows / most) }, (_, i) => ({ kind: "scan" as const, segment, fromRow: i * most, rows: Math.min(most, rows - i * most), queries }));
    });
  }

  /** Rows that may be among the best `k` for query `i`, in the order of the file. */
  #candidates(i: number, k: number): number[] {
    const parts = this.#segments.map(({ memory, firstRow, rows, productsAt, usableAt }) => ({
      firstRow,
      products: new Int32Array(bufferOf(memory), productsAt + i * rows * 4, rows),
      usable: new Uint8Array(bufferOf(memory), usableAt, rows),
    }));
    const largest = new LargestValues(Math.min(k, this.size));
    for (const { products, usable } of parts) largest.take(products, usable);
    const least = largest.kth === undefined ? Number.NEGATIVE_INFINITY : leastProduct(largest.kth, this.width);
    const found: number[] = [];
    for (const { firstRow, products, usable } of parts) {
      for (let row = 0; row < products.length; row++) if (products[row]! >= least && usable[row] === 1) found.push(firstRow + row);
    }
    return found;
  }

  #best(candidates: readonly number[], query: Float32Array, k: number): { readonly row: number; readonly score: number }[] {
    const { extents, fd } = this.#source;
    const values = new Float32Array(this.width);
    const bytes = new Uint8Array(values.buffer);
    let extent = 0;
    const scored = candidates.map((row) => {
      while (row >= extents[extent]!.firstRow + extents[extent]!.rows) extent++;
      const { at, firstRow } = extents[extent]!;
      readExactly(fd, bytes, at + (row - firstRow) * bytes.length);
      return { row, score: cosine(values, query) };
    });
    return scored.sort((a, b) => b.score - a.score || a.row - b.row).slice(0, k);
  }

  async #named(best: readonly { readonly row: number; readonly score: number }[]): Promise<SearchHit[]> {
    const names = await this.#source.names(best.map(({ row }) => row));
    // Rounding may put a cosine beyond 1 by a bit in the last place; the order was settled before.
    return best.map(({ row, score }, i) => ({ row, score: Math.max(-1, Math.min(1, score)), ...(names[i] as Named) }));
  }
}
