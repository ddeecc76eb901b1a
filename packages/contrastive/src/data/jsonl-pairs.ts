import { open, type FileHandle } from "node:fs/promises";
import path from "node:path";
import { TrainingError } from "../training-error.js";
import type { ImageTextPair, PairReaderOptions } from "./image-text-pair.js";
import { rowPairs, type PairFields, type Row, type RowPairOptions } from "./row-pairs.js";

/** What readers of tables in files take. */
export interface TableReaderOptions extends PairReaderOptions {
  readonly fields?: PairFields;
  /** The folder that relative paths start from; the file's own when left out. */
  readonly imageRoot?: string;
}

/**
 * The pairs of a file with a JSON object on each line, in the file's order.
 * @throws TrainingError when the file cannot be read
 */
export function readJsonlPairs(file: string, options: TableReaderOptions): AsyncGenerator<ImageTextPair> {
  const full: RowPairOptions = { ...options, imageRoot: options.imageRoot ?? path.dirname(file) };
  return rowPairs(jsonlRows(file, options), full);
}

/**
 * The objects of such a file, each with its place, as `train.jsonl:17`.
 * @throws TrainingError when the file cannot be read
 */
export async function* jsonlRows(file: string, { onBad }: PairReaderOptions): AsyncGenerator<readonly [string, Row]> {
  await using handle = await opened(file);
  let number = 0;
  for await (const line of handle.readLines({ encoding: "utf8" })) {
    const text = number++ === 0 ? line.replace(/^\uFEFF/, "") : line;
    if (text.trim() === "") continue;
    const row = parsed(text);
    if (row) yield [`${path.basename(file)}:${number}`, row];
    else onBad({ id: `${path.basename(file)}:${number}`, reason: "not a JSON object" });
  }
}

async function opened(file: string): Promise<FileHandle> {
  try {
    return await open(file);
  } catch (cause) {
    throw new TrainingError(`readJsonlPairs: cannot read ${file}: ${(cause as Error).message}`, { cause });
  }
}

function parsed(line: string): Row | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Row) : undefined;
  } catch {
    return undefined;
  }
}
