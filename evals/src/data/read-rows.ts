import { createReadStream } from "node:fs";
import { readdir, readFile, stat } from "node:fs/promises";
import path from "node:path";
import { createInterface } from "node:readline";
import { parse } from "csv-parse";
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } from "hyparquet";
import { compressors } from "hyparquet-compressors";
import { EvalError } from "../eval-error.js";

export type Row = Readonly<Record<string, unknown>>;

/** Which files of a folder hold a task's rows. */
export interface RowFiles {
  /** Beginnings of the names of parquet files: "test", "validation". Others in the folder are of other splits. */
  readonly splits: readonly string[];
  /** Names of files in other formats, the first that is there: JSON lines, JSON lists, CSV, TSV. */
  readonly others?: readonly string[];
}

/**
 * The rows of a published set in a local folder: its parquet files, also in the folders that the hub makes, or one of the
 * other files.
 * @throws EvalError `data-missing` with what to fetch; `data-changed` for a file that cannot be read
 */
export async function* readRows(folder: string, { splits, others = [] }: RowFiles, fetch: string): AsyncGenerator<Row> {
  const parquet = await parquetFiles(folder, splits);
  if (parquet.length > 0) {
    for (const file of parquet) yield* parquetRows(file);
    return;
  }
  for (const name of others) {
    const file = path.join(folder, name);
    if (await isFile(file)) {
      yield* rowsOfFile(file);
      return;
    }
  }
  const wanted = [`${splits[0] ?? ""}-*.parquet`, ...others].join(" or ");
  throw new EvalError("data-missing", `eval: expected ${wanted} in ${folder}; ${fetch}`);
}

async function parquetFiles(folder: string, splits: readonly string[]): Promise<readonly string[]> {
  const names = await readdir(folder, { recursive: true }).catch(() => []);
  return names
    .filter((name) => name.endsWith(".parquet") && splits.some((split) => path.basename(name).startsWith(split)))
    .sort()
    .map((name) => path.join(folder, name));
}

async function* parquetRows(file: string): AsyncGenerator<Row> {
  try {
    const buffer = await asyncBufferFromFile(file);
    const metadata = await parquetMetadataAsync(buffer);
    let rowStart = 0;
    // A row group at a time: pictures are in them.
    for (const group of metadata.row_groups) {
      const rowEnd = rowStart + Number(group.num_rows);
      yield* (await parquetReadObjects({ file: buffer, metadata, compressors, rowStart, rowEnd, utf8: false })).map(readable);
      rowStart = rowEnd;
    }
  } catch (cause) {
    throw unreadable(file, cause);
  }
}

/** hyparquet gives texts without a logical type as bytes, and large whole numbers as BigInt. */
function readable(row: Record<string, unknown>): Row {
  return Object.fromEntries(Object.entries(row).map(([key, value]) => [key, typeof value === "bigint" ? Number(value) : value]));
}

async function* rowsOfFile(file: string): AsyncGenerator<Row> {
  try {
    if (file.endsWith(".jsonl")) {
      for await (const line of createInterface({ input: createReadStream(file), crlfDelay: Number.POSITIVE_INFINITY })) if (line.trim() !== "") yield JSON.parse(line) as Row;
    } else if (file.endsWith(".csv") || file.endsWith(".tsv")) {
      yield* createReadStream(file).pipe(parse({ columns: true, bom: true, relax_quotes: true, delimiter: file.endsWith(".tsv") ? "\t" : "," })) as AsyncIterable<Row>;
    } else {
      const json = JSON.parse(await readFile(file, "utf8")) as unknown;
      const list = Array.isArray(json) ? json : ((json as Row)["data"] ?? (json as Row)["questions"]);
      if (!Array.isArray(list)) throw new TypeError("no list of rows in it");
      yield* list as Row[];
    }
  } catch (cause) {
    throw unreadable(file, cause);
  }
}

export async function readJson(file: string, fetch: string): Promise<Row> {
  if (!(await isFile(file))) throw new EvalError("data-missing", `eval: expected ${file}; ${fetch}`);
  try {
    return JSON.parse(await readFile(file, "utf8")) as Row;
  } catch (cause) {
    throw unreadable(file, cause);
  }
}

export async function isFile(file: string): Promise<boolean> {
  return (await stat(file).catch(() => undefined))?.isFile() === true;
}

function unreadable(file: string, cause: unknown): EvalError {
  if (cause instanceof EvalError) return cause;
  return new EvalError("data-changed", `eval: ${file} cannot be read (${cause instanceof Error ? cause.message.split("\n")[0] : String(cause)}); fetch it again`, { cause });
}
