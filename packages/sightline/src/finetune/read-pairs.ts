import { stat } from "node:fs/promises";
import path from "node:path";
import { readCaptionJsonPairs, readCsvPairs, readFolderPairs, readJsonlPairs, rowPairs, webDatasetPairs, type ImageTextPair, type PairFields, type PairReaderOptions } from "@sightline/contrastive";
import { isTar } from "../embed/list-inputs.js";
import { isHidden, tarMembers } from "../embed/tar-members.js";
import { SightlineError } from "../sightline-error.js";
import { parquetRows } from "./parquet-rows.js";

export interface ReadPairsOptions extends PairReaderOptions {
  /** Where a table keeps what; the usual names are tried when left out. */
  readonly fields?: PairFields;
  /** The folder that relative paths start from; the file's own when left out. */
  readonly imageRoot?: string;
  /** Of a Karpathy file: which splits, `train` and `restval` by default. */
  readonly splits?: readonly string[];
}

/** As `decodeImage`'s own limit. */
const maxMemberBytes = 64 * 2 ** 20;

/**
 * Image–text pairs of a folder with .txt beside the images, of JSON lines (.jsonl, .ndjson), of .csv or .tsv, of COCO's or Karpathy's
 * .json, of a WebDataset shard (.tar, .tar.gz, .tgz), or of .parquet with paths or image bytes; in their order.
 * @throws SightlineError `bad-input` when it is none of these or cannot be read; TrainingError when its content is wrong
 */
export async function* readPairs(source: string, options: ReadPairsOptions): AsyncGenerator<ImageTextPair> {
  const { onBad, fields, imageRoot = path.dirname(source) } = options;
  const table = { onBad, imageRoot, ...(fields ? { fields } : {}) };
  if (await isFolder(source)) yield* readFolderPairs(source, { onBad });
  else if (isTar(source)) yield* webDatasetPairs(tarMembers(source, { wanted: (name) => !isHidden(name), maxBytes: maxMemberBytes }), table);
  else if (/\.(jsonl|ndjson)$/i.test(source)) yield* readJsonlPairs(source, table);
  else if (/\.(csv|tsv)$/i.test(source)) yield* readCsvPairs(source, table);
  else if (/\.json$/i.test(source)) yield* readCaptionJsonPairs(source, { onBad, imageRoot, ...(options.splits ? { splits: options.splits } : {}) });
  else if (/\.parquet$/i.test(source)) yield* rowPairs(parquetRows(source), table);
  else throw new SightlineError("bad-input", `readPairs: ${source}: expected a folder, .csv, .tsv, .jsonl, .ndjson, .json, .tar, .tar.gz, .tgz or .parquet; convert it`);
}

async function isFolder(source: string): Promise<boolean> {
  try {
    return (await stat(source)).isDirectory();
  } catch (cause) {
    throw new SightlineError("bad-input", `readPairs: ${source}: no such file or folder; check the path`, { cause });
  }
}
