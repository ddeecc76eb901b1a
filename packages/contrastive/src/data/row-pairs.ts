import path from "node:path";
import type { BadPair, ImageTextPair, PairReaderOptions } from "./image-text-pair.js";

/** Where a table keeps what; the usual names are tried when left out. */
export interface PairFields {
  /** A path, bytes, or Hugging Face's `{bytes, path}`; `image`, `image_path`, `filepath`, `file_name` by default. */
  readonly image?: string;
  /** A text or a list of texts; `captions`, `caption`, `text`, `title` by default. */
  readonly caption?: string;
  /** `id`, `key` by default; the row's place where there is none. */
  readonly id?: string;
}

export interface RowPairOptions extends PairReaderOptions {
  readonly fields?: PairFields;
  /** The folder that relative paths start from. */
  readonly imageRoot: string;
}

const usual = {
  image: ["image", "image_path", "filepath", "file_name"],
  caption: ["captions", "caption", "text", "title"],
  id: ["id", "key"],
} as const;

/** One row of a table (of CSV, JSON lines or parquet), by column. */
export type Row = Readonly<Record<string, unknown>>;

/**
 * Rows of any table as pairs.
 * @param rows each with its place, as `train.csv:17`
 */
export async function* rowPairs(rows: AsyncIterable<readonly [place: string, row: Row]> | Iterable<readonly [place: string, row: Row]>, options: RowPairOptions): AsyncGenerator<ImageTextPair> {
  for await (const [place, row] of rows) {
    const pair = pairOfRow(row, place, options);
    if ("reason" in pair) options.onBad(pair);
    else yield pair;
  }
}

/** A row as a pair, or why it is none. */
export function pairOfRow(row: Row, place: string, { fields = {}, imageRoot }: RowPairOptions): ImageTextPair | BadPair {
  const find = (field: keyof typeof usual): unknown => {
    const name = fields[field] ?? usual[field].find((usualName) => row[usualName] !== undefined && row[usualName] !== null);
    return name === undefined ? undefined : row[name];
  };
  const given = find("id");
  const id = typeof given === "string" || typeof given === "number" || typeof given === "bigint" ? String(given) : place;
  const image = imageOf(find("image"), imageRoot);
  if (image === undefined) return { id, reason: "no image" };
  if (typeof image === "string" && /^(https?|data|blob):/i.test(image)) return { id, reason: "image is a URL, which is not fetched" };
  const captions = captionsOf(find("caption"));
  if (captions.length === 0) return { id, reason: "no caption" };
  return { id, image, captions };
}

/** The texts of a value that holds one or several; blank ones are none. */
export function captionsOf(value: unknown): readonly string[] {
  const texts = Array.isArray(value) ? value : [value];
  return texts.flatMap((text) => (typeof text === "string" && text.trim() !== "" ? [text.trim()] : []));
}

/** A path from where relative paths start; a URL stays as it is. */
export function imagePath(name: string, imageRoot: string): string {
  return /^(https?|data|blob|file):/i.test(name) ? name : path.resolve(imageRoot, name);
}

function imageOf(value: unknown, imageRoot: string): string | Uint8Array | undefined {
  if (typeof value === "string") return value.trim() === "" ? undefined : imagePath(value.trim(), imageRoot);
  if (value instanceof Uint8Array) return value.length === 0 ? undefined : value;
  if (typeof value !== "object" || value === null) return undefined;
  const { bytes, path: file } = value as { readonly bytes?: unknown; readonly path?: unknown };
  return imageOf(bytes, imageRoot) ?? imageOf(file, imageRoot);
}
