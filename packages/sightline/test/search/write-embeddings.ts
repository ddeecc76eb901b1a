import { open, writeFile } from "node:fs/promises";
import { parquetWriteBuffer } from "hyparquet-writer";
import { npyHeader } from "../../src/embed/npy-file.js";
import { writeParquet } from "../../src/embed/parquet-file.js";

export type Rows = readonly (readonly number[])[];

/** As `embed` writes it. */
export async function writeOwnParquet(file: string, rows: Rows, metadata: Record<string, string | number> = {}): Promise<void> {
  const width = rows[0]?.length ?? 1;
  await using handle = await open(file, "w");
  async function* batches(): AsyncGenerator<{ rows: { key: string; path: string }[]; embeddings: Float32Array }> {
    for (let first = 0; first < rows.length; first += 7) {
      const some = rows.slice(first, first + 7);
      yield { rows: some.map((_, i) => ({ key: `k${first + i}`, path: `p${first + i}.jpg` })), embeddings: Float32Array.from(some.flat()) };
    }
  }
  await writeParquet(handle, { width, texts: false, metadata: { ...metadata, width } }, batches());
}

/** As another program would: compressed, with dictionaries, in a few row groups, without names. */
export async function writeForeignParquet(file: string, rows: Rows): Promise<void> {
  const buffer = parquetWriteBuffer({ columnData: [{ name: "embedding", data: rows.map((row) => [...row]) }], rowGroupSize: 10 });
  await writeFile(file, new Uint8Array(buffer));
}

export async function writeNpyFile(file: string, rows: Rows): Promise<void> {
  const values = Float32Array.from(rows.flat());
  await writeFile(file, Buffer.concat([npyHeader(rows.length, rows[0]?.length ?? 1), new Uint8Array(values.buffer)]));
}
