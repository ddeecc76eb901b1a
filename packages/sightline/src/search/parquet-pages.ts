import type { FileHandle } from "node:fs/promises";
import type { ColumnMetaData } from "hyparquet";
import { deserializeTCompactProtocol } from "hyparquet/src/thrift.js";
import { readFully } from "../embed/durable-file.js";
import type { Extent } from "./scan-tasks.js";

/** Enough for the header of a page without statistics, and for many with. */
const headerBytes = 512;
const dataPageV2 = 3;
const plain = 0;

/** What is used of a page's header; numbers are thrift's fields in parquet.thrift's PageHeader. */
interface PageHeader {
  readonly field_1?: number;
  readonly field_3?: number;
  readonly field_8?: {
    readonly field_1?: number;
    readonly field_2?: number;
    readonly field_3?: number;
    readonly field_4?: number;
    readonly field_5?: number;
    readonly field_6?: number;
  };
}

/**
 * Where a column chunk of lists of `width` floats has its values, if they lie there plain and uncompressed, as `embed`
 * writes them: pages of version 2, which begin with a row.
 * @returns undefined where they lie otherwise
 */
export async function plainExtents(handle: FileHandle, column: ColumnMetaData, width: number, firstRow: number): Promise<Extent[] | undefined> {
  if (column.codec !== "UNCOMPRESSED" || column.type !== "FLOAT" || column.dictionary_page_offset !== undefined) return undefined;
  const extents: Extent[] = [];
  let at = Number(column.data_page_offset);
  const end = at + Number(column.total_compressed_size);
  let row = firstRow;
  while (at < end) {
    const bytes = new Uint8Array(Math.min(headerBytes, end - at));
    await readFully(handle, bytes, at);
    const reader = { view: new DataView(bytes.buffer), offset: 0 };
    let header: PageHeader;
    try {
      header = deserializeTCompactProtocol(reader) as PageHeader;
    } catch {
      return undefined;
    }
    const { field_1: type, field_3: size, field_8: page } = header;
    const { field_1: values, field_2: nulls, field_3: rows, field_4: encoding, field_5: definitionBytes, field_6: repetitionBytes } = page ?? {};
    if (type !== dataPageV2 || encoding !== plain || nulls !== 0 || size === undefined || rows === undefined || values !== rows * width) return undefined;
    const levels = (definitionBytes ?? 0) + (repetitionBytes ?? 0);
    if (size !== levels + values * 4) return undefined;
    extents.push({ at: at + reader.offset + levels, firstRow: row, rows });
    row += rows;
    at += reader.offset + size;
  }
  return extents;
}
