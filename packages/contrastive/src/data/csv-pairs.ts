import { createReadStream } from "node:fs";
import { pipeline } from "node:stream";
import path from "node:path";
import { CsvError, parse } from "csv-parse";
import { TrainingError } from "../training-error.js";
import type { ImageTextPair, PairReaderOptions } from "./image-text-pair.js";
import type { TableReaderOptions } from "./jsonl-pairs.js";
import { rowPairs, type Row, type RowPairOptions } from "./row-pairs.js";

/** A row longer than this is no row, but a file with a quote that never closes. */
const maxRowCharacters = 2 ** 20;

/**
 * The pairs of a file with comma-, semicolon- or tab-separated values, in its order. The first row names the columns; a
 * row of another length is told to `onBad`. Quotes as RFC 4180 has them; a byte order mark is passed over.
 * @throws TrainingError when the file cannot be read, has no first row, or a quote is never closed
 */
export function readCsvPairs(file: string, options: TableReaderOptions): AsyncGenerator<ImageTextPair> {
  const full: RowPairOptions = { ...options, imageRoot: options.imageRoot ?? path.dirname(file) };
  return rowPairs(csvRows(file, options), full);
}

async function* csvRows(file: string, { onBad }: PairReaderOptions): AsyncGenerator<readonly [string, Row]> {
  const place = (line: number): string => `${path.basename(file)}:${line}`;
  const parser = parse({
    bom: true,
    columns: true,
    delimiter: /\.tsv$/i.test(file) ? "\t" : [",", ";", "\t"],
    info: true,
    skip_empty_lines: true,
    skip_records_with_error: true,
    max_record_size: maxRowCharacters,
  });
  const skipped: CsvError[] = [];
  parser.on("skip", (error: CsvError) => skipped.push(error));
  // Errors of the file reach the parser, which the loop below reads.
  pipeline(createReadStream(file), parser, () => undefined);
  const tell = (): void => {
    for (const error of skipped.splice(0)) onBad({ id: place(Number(Reflect.get(error, "lines"))), reason: reasonOf(error) });
  };
  try {
    for await (const { info, record } of parser as AsyncIterable<{ readonly info: { readonly lines: number }; readonly record: Row }>) {
      tell();
      yield [place(info.lines), record];
    }
  } catch (cause) {
    throw new TrainingError(`readCsvPairs: cannot read ${file}: ${(cause as Error).message}`, { cause });
  }
  tell();
}

function reasonOf({ code }: CsvError): string {
  if (code === "CSV_RECORD_INCONSISTENT_COLUMNS" || code === "CSV_RECORD_INCONSISTENT_FIELDS_LENGTH") return "another number of columns than the first row";
  if (code === "CSV_MAX_RECORD_SIZE" || code === "CSV_QUOTE_NOT_CLOSED") return "a quote that is never closed";
  return "not a row of CSV";
}
