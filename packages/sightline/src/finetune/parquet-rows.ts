import path from "node:path";
import type { Row } from "@sightline/contrastive";
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects, type AsyncBuffer, type FileMetaData } from "hyparquet";
import { SightlineError } from "../sightline-error.js";

/**
 * The rows of a parquet file, one row group in memory at a time, each with its place. Binary columns stay bytes.
 * @throws SightlineError `bad-input` when the file cannot be read, is damaged, or is compressed in a way that hyparquet
 * does not read by itself (all but Snappy)
 */
export async function* parquetRows(file: string): AsyncGenerator<readonly [place: string, row: Row]> {
  const { buffer, metadata } = await opened(file);
  let start = 0;
  for (const group of metadata.row_groups) {
    const end = start + Number(group.num_rows);
    let rows: readonly Row[];
    try {
      rows = await parquetReadObjects({ file: buffer, metadata, rowStart: start, rowEnd: end, utf8: false });
    } catch (cause) {
      throw unreadable(file, `rows ${start} to ${end}`, cause);
    }
    for (const [i, row] of rows.entries()) yield [`${path.basename(file)}:${start + i}`, row];
    start = end;
  }
}

async function opened(file: string): Promise<{ readonly buffer: AsyncBuffer; readonly metadata: FileMetaData }> {
  try {
    const buffer = await asyncBufferFromFile(file);
    return { buffer, metadata: await parquetMetadataAsync(buffer) };
  } catch (cause) {
    throw unreadable(file, "its end, where its contents are listed", cause);
  }
}

function unreadable(file: string, what: string, cause: unknown): SightlineError {
  return new SightlineError("bad-input", `parquetRows: ${file}: ${what} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}; check the path and the file`, { cause });
}
