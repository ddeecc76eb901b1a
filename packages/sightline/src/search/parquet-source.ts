import { mkdtemp, open, rm, type FileHandle } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { parquetMetadataAsync, parquetReadObjects, type AsyncBuffer, type FileMetaData } from "hyparquet";
import { readFully, writeFully } from "../embed/durable-file.js";
import type { Named } from "../embed/embed-batches.js";
import { SightlineError } from "../sightline-error.js";
import { aboutOf, type EmbeddingSource } from "./embedding-source.js";
import { plainExtents } from "./parquet-pages.js";
import type { Extent } from "./scan-tasks.js";

const column = "embedding";

/**
 * A parquet file with a column `embedding` of lists of numbers, all of one length, and where it has them, `key`, `path` and
 * `text`. Values are read where they lie in a file that `embed` wrote; of another writer's file, encoded or compressed in
 * whatever way, a copy as plain float32 is made in a temporary file.
 */
export async function openParquet(file: string, handle: FileHandle, signal?: AbortSignal): Promise<EmbeddingSource> {
  const buffer = await asyncBuffer(handle);
  const metadata = await parquetMetadataAsync(buffer);
  const columns = new Set((metadata.row_groups[0]?.columns ?? []).map((one) => one.meta_data?.path_in_schema[0]));
  const rows = Number(metadata.num_rows);
  if (rows > 0 && !columns.has(column)) throw new SightlineError("bad-input", `openIndex: ${file}: expected a column "${column}", found ${[...columns].join(", ")}`);
  const note = metadata.key_value_metadata?.find(({ key }) => key === "sightline")?.value;
  const common = { rows, about: aboutOf(note), names: (asked: readonly number[]) => namesOf(buffer, metadata, columns, asked) };
  const plain = await extentsOf(handle, metadata, note);
  if (plain) return { ...common, ...plain, fd: handle.fd, [Symbol.asyncDispose]: () => handle.close() };
  const copy = await plainCopy(file, buffer, metadata, signal);
  return {
    ...common,
    width: copy.width,
    extents: rows === 0 ? [] : [{ at: 0, firstRow: 0, rows }],
    fd: copy.handle.fd,
    async [Symbol.asyncDispose]() {
      await copy.remove();
      await handle.close();
    },
  };
}

async function asyncBuffer(handle: FileHandle): Promise<AsyncBuffer> {
  const { size } = await handle.stat();
  return {
    byteLength: size,
    async slice(start, end = size) {
      const bytes = new Uint8Array(Math.max(0, Math.min(end, size) - start));
      await readFully(handle, bytes, start);
      return bytes.buffer;
    },
  };
}

/** Only a file that says it is `embed`'s is believed to have lists of one length; their count is checked page by page. */
async function extentsOf(handle: FileHandle, metadata: FileMetaData, note: string | undefined): Promise<{ readonly width: number; readonly extents: Extent[] } | undefined> {
  if (metadata.created_by !== "sightline" || note === undefined) return undefined;
  const { width } = JSON.parse(note) as { readonly width?: unknown };
  if (typeof width !== "number" || !Number.isSafeInteger(width) || width < 1) return undefined;
  const extents: Extent[] = [];
  let row = 0;
  for (const group of metadata.row_groups) {
    const chunk = group.columns.find(({ meta_data: data }) => data?.path_in_schema[0] === column)?.meta_data;
    const found = chunk && (await plainExtents(handle, chunk, width, row));
    if (!found) return undefined;
    row += Number(group.num_rows);
    const last = found.at(-1);
    if (!last || last.firstRow + last.rows !== row) return undefined;
    extents.push(...found);
  }
  return { width, extents };
}

/** Writes the embeddings as float32 into a temporary file, a row group at a time. */
async function plainCopy(file: string, buffer: AsyncBuffer, metadata: FileMetaData, signal: AbortSignal | undefined): Promise<{ readonly handle: FileHandle; readonly width: number; remove(): Promise<void> }> {
  const folder = await mkdtemp(path.join(tmpdir(), "sightline-index-"));
  const handle = await open(path.join(folder, "embeddings.f32"), "wx+");
  const remove = async (): Promise<void> => {
    await handle.close();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    // Another writer's file may be compressed in any way; `embed`'s own needs none of this.
    const { compressors } = await import("hyparquet-compressors");
    let width = 0;
    let first = 0;
    for (const group of metadata.row_groups) {
      signal?.throwIfAborted();
      const rows = Number(group.num_rows);
      const lists = await parquetReadObjects({ file: buffer, metadata, compressors, columns: [column], rowStart: first, rowEnd: first + rows });
      for (const [i, { [column]: list }] of lists.entries()) {
        const numbers = listOfNumbers(list);
        width ||= numbers?.length ?? 0;
        // A row that is null has no direction either, and is passed over like one of zeros.
        if (list !== null && list !== undefined && numbers?.length !== width) {
          throw new SightlineError("bad-input", `openIndex: ${file}: row ${first + i}: expected "${column}" to be a list of ${width || "some"} numbers, got ${numbers ? `${numbers.length} numbers` : typeof list}`);
        }
      }
      if (width === 0) throw new SightlineError("bad-input", `openIndex: ${file}: rows ${first} to ${first + rows - 1} have no embedding`);
      const values = new Float32Array(rows * width);
      for (const [i, { [column]: list }] of lists.entries()) values.set(listOfNumbers(list) ?? [], i * width);
      await writeFully(handle, new Uint8Array(values.buffer));
      first += rows;
    }
    return { handle, width, remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

function listOfNumbers(list: unknown): ArrayLike<number> | undefined {
  if (list instanceof Float32Array || list instanceof Float64Array) return list;
  // A number that is null within a list counts as not a number.
  return Array.isArray(list) && list.every((value) => typeof value === "number" || value === null) ? list.map((value) => (value as number | null) ?? Number.NaN) : undefined;
}

/** Reads each row group that is asked for once. */
async function namesOf(file: AsyncBuffer, metadata: FileMetaData, columns: ReadonlySet<string | undefined>, rows: readonly number[]): Promise<Named[]> {
  const present = ["key", "path", "text"].filter((name) => columns.has(name));
  const names = new Map<number, Named>();
  let first = 0;
  for (const group of metadata.row_groups) {
    const end = first + Number(group.num_rows);
    const here = rows.filter((row) => row >= first && row < end);
    if (here.length > 0 && present.length > 0) {
      const [from, to] = [Math.min(...here), Math.max(...here) + 1];
      const { compressors } = await import("hyparquet-compressors");
      const read = (await parquetReadObjects({ file, metadata, compressors, columns: present, rowStart: from, rowEnd: to })) as Partial<Record<"key" | "path" | "text", unknown>>[];
      for (const row of here) names.set(row, named(row, read[row - from] ?? {}));
    }
    first = end;
  }
  return rows.map((row) => names.get(row) ?? named(row, {}));
}

function named(row: number, { key, path: from, text }: Partial<Record<"key" | "path" | "text", unknown>>): Named {
  const name = typeof from === "string" ? from : typeof key === "string" ? key : `#${row}`;
  return { key: typeof key === "string" ? key : name, path: name, ...(typeof text === "string" ? { text } : {}) };
}
