import type { FileHandle } from "node:fs/promises";
import { ByteWriter, ParquetWriter } from "hyparquet-writer";
import { writeFully } from "./durable-file.js";
import type { Named } from "./embed-batches.js";

/** What a file of embeddings holds. */
export interface ParquetOptions {
  /** D */
  readonly width: number;
  /** Whether rows have a text. */
  readonly texts: boolean;
  /** Written into the file's own metadata, under "sightline", as JSON. */
  readonly metadata: Readonly<Record<string, string | number | boolean>>;
}

/** Values in a row group: what is held while a file is written, a few times over. */
const valuesAGroup = 2 ** 20;

/**
 * Writes rows as a parquet file, a row group at a time: `key` and `path` (and `text`) as strings, `embedding` as a list
 * of float32, none of them null.
 */
export async function writeParquet(
  to: FileHandle,
  { width, texts, metadata }: ParquetOptions,
  batches: AsyncIterable<{ readonly rows: readonly Named[]; readonly embeddings: Float32Array }>,
): Promise<void> {
  const writer = new ByteWriter();
  const names = ["key", "path", ...(texts ? ["text"] : [])] as const;
  const file = new ParquetWriter({
    writer,
    schema: [
      { name: "root", num_children: names.length + 1 },
      ...names.map((name) => ({ name, type: "BYTE_ARRAY", converted_type: "UTF8", repetition_type: "REQUIRED" }) as const),
      { name: "embedding", converted_type: "LIST", repetition_type: "REQUIRED", num_children: 1 },
      { name: "list", repetition_type: "REPEATED", num_children: 1 },
      { name: "element", type: "FLOAT", repetition_type: "REQUIRED" },
    ],
    kvMetadata: [{ key: "sightline", value: JSON.stringify(metadata) }],
    createdBy: "sightline",
  });
  const flush = async (): Promise<void> => {
    await writeFully(to, writer.getBytes());
    writer.index = 0;
  };
  const rowsAGroup = Math.max(1, Math.floor(valuesAGroup / width));
  let rows: Named[] = [];
  // hyparquet-writer takes lists as plain arrays only.
  let embeddings: number[][] = [];
  const writeGroup = async (): Promise<void> => {
    const columns = names.map((name) => ({ name, data: rows.map((row) => row[name as keyof Named] ?? ""), encoding: "PLAIN" as const }));
    // Floats of embeddings do not compress, and no two are the same: neither codec, dictionary nor statistics pay.
    const column = { name: "embedding", data: embeddings, encoding: "PLAIN" as const, codec: "UNCOMPRESSED" as const, statistics: false };
    await file.write({ columnData: [...columns, column], rowGroupSize: rows.length });
    await flush();
    [rows, embeddings] = [[], []];
  };
  for await (const batch of batches) {
    for (const [i, row] of batch.rows.entries()) {
      rows.push(row);
      embeddings.push(Array.from(batch.embeddings.subarray(i * width, (i + 1) * width)));
      if (rows.length === rowsAGroup) await writeGroup();
    }
  }
  if (rows.length > 0) await writeGroup();
  await file.finish();
  await flush();
}
