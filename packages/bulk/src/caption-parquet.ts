import type { FileHandle } from "node:fs/promises";
import { ByteWriter, ParquetWriter } from "hyparquet-writer";
import { writeFully } from "sightline/cli";

/** A captioned image. */
export interface CaptionRow {
  readonly key: string;
  readonly path: string;
  readonly caption: string;
}

const columns = ["key", "path", "caption"] as const;
const rowsAGroup = 10_000;

/** Writes captions as a parquet file, a row group at a time: `key`, `path` and `caption`, none of them null. */
export async function writeCaptionParquet(to: FileHandle, metadata: Readonly<Record<string, string | number | boolean>>, captions: AsyncIterable<CaptionRow>): Promise<void> {
  const writer = new ByteWriter();
  const file = new ParquetWriter({
    writer,
    schema: [{ name: "root", num_children: columns.length }, ...columns.map((name) => ({ name, type: "BYTE_ARRAY", converted_type: "UTF8", repetition_type: "REQUIRED" }) as const)],
    kvMetadata: [{ key: "sightline", value: JSON.stringify(metadata) }],
    createdBy: "sightline",
  });
  const flush = async (): Promise<void> => {
    await writeFully(to, writer.getBytes());
    writer.index = 0;
  };
  let rows: CaptionRow[] = [];
  const writeGroup = async (): Promise<void> => {
    await file.write({ columnData: columns.map((name) => ({ name, data: rows.map((row) => row[name]), encoding: "PLAIN" as const })), rowGroupSize: rows.length });
    await flush();
    rows = [];
  };
  for await (const row of captions) {
    rows.push(row);
    if (rows.length === rowsAGroup) await writeGroup();
  }
  if (rows.length > 0) await writeGroup();
  await file.finish();
  await flush();
}
