import { readFile } from "node:fs/promises";
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } from "hyparquet";

export interface ReadRow {
  readonly key: string;
  readonly path: string;
  readonly text?: string;
  readonly embedding: readonly number[];
}

/** Rows of a parquet file, by another library than wrote it. */
export async function readParquet(path: string): Promise<ReadRow[]> {
  return (await parquetReadObjects({ file: await asyncBufferFromFile(path) })) as unknown as ReadRow[];
}

/** What a parquet file says about itself under "sightline". */
export async function readParquetNote(path: string): Promise<unknown> {
  const { key_value_metadata } = await parquetMetadataAsync(await asyncBufferFromFile(path));
  return JSON.parse(key_value_metadata?.find(({ key }) => key === "sightline")?.value ?? "null");
}

/** Rows of a .npy file of float32[N, D], read as NumPy's format description has it, with the names beside it. */
export async function readNpy(path: string): Promise<ReadRow[]> {
  const bytes = await readFile(path);
  if (bytes.toString("latin1", 0, 8) !== "\x93NUMPY\x01\x00") throw new Error("not a .npy file of version 1.0");
  const start = 10 + bytes.readUInt16LE(8);
  const header = bytes.toString("latin1", 10, start);
  const [, rows, width] = /^\{'descr': '<f4', 'fortran_order': False, 'shape': \((\d+), (\d+)\), \} *\n$/.exec(header)?.map(Number) ?? [];
  if (rows === undefined || width === undefined || start % 64 !== 0 || bytes.length !== start + 4 * rows * width) throw new Error(`unexpected header or size: ${header}`);
  const names = await readJsonLines(`${path}.keys.jsonl`);
  return Array.from({ length: rows }, (_, i) => ({
    ...(names[i] as { key: string; path: string }),
    embedding: Array.from({ length: width }, (_, d) => bytes.readFloatLE(start + 4 * (i * width + d))),
  }));
}

export async function readJsonLines(path: string): Promise<unknown[]> {
  const text = await readFile(path, "utf8");
  return text.split("\n").slice(0, -1).map((line) => JSON.parse(line) as unknown);
}
