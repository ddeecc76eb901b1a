import { readFile } from "node:fs/promises";
import path from "node:path";
import { TrainingError } from "../training-error.js";
import type { ImageTextPair, PairReaderOptions } from "./image-text-pair.js";
import { captionsOf, imagePath } from "./row-pairs.js";

export interface CocoOptions extends PairReaderOptions {
  /** The folder of the images; the file's own when left out. */
  readonly imageRoot?: string;
}

export interface KarpathyOptions extends CocoOptions {
  /** Which splits; `train` and `restval` by default, as the literature trains on. */
  readonly splits?: readonly string[];
}

type Json = Readonly<Record<string, unknown>>;

/**
 * The pairs of a COCO captions file, `{images: [{id, file_name}], annotations: [{image_id, caption}]}`: one pair an image,
 * with all its captions.
 * @throws TrainingError when the file is no such JSON
 */
export async function* readCocoPairs(file: string, options: CocoOptions): AsyncGenerator<ImageTextPair> {
  yield* cocoPairs(file, await readJson(file, "readCocoPairs", ["images", "annotations"]), options);
}

/**
 * The pairs of Karpathy's split files (Karpathy & Fei-Fei 2015), `{images: [{filepath?, filename, split, sentences: [{raw}]}]}`.
 * @throws TrainingError when the file is no such JSON, or has none of the splits
 */
export async function* readKarpathyPairs(file: string, options: KarpathyOptions): AsyncGenerator<ImageTextPair> {
  yield* karpathyPairs(file, await readJson(file, "readKarpathyPairs", ["images"]), options);
}

/**
 * The pairs of a JSON file of either kind: with a list of annotations it is COCO's, else Karpathy's.
 * @throws TrainingError when the file is neither
 */
export async function* readCaptionJsonPairs(file: string, options: KarpathyOptions): AsyncGenerator<ImageTextPair> {
  const json = await readJson(file, "readCaptionJsonPairs", ["images"]);
  if (Array.isArray(json["annotations"])) yield* cocoPairs(file, json, options);
  else yield* karpathyPairs(file, json, options);
}

function* cocoPairs(file: string, { images, annotations }: Json, { onBad, imageRoot = path.dirname(file) }: CocoOptions): Generator<ImageTextPair> {
  const captions = new Map<unknown, string[]>();
  for (const { image_id, caption } of objects(annotations)) {
    const known = captions.get(image_id) ?? [];
    known.push(...captionsOf(caption));
    captions.set(image_id, known);
  }
  for (const { id, file_name } of objects(images)) {
    const found = captions.get(id) ?? [];
    captions.delete(id);
    if (typeof file_name !== "string") onBad({ id: String(id), reason: "no image" });
    else if (found.length === 0) onBad({ id: String(id), reason: "no caption" });
    else yield { id: String(id), image: imagePath(file_name, imageRoot), captions: found };
  }
  for (const id of captions.keys()) onBad({ id: String(id), reason: "captions of an image that the file does not list" });
}

function* karpathyPairs(file: string, { images }: Json, { onBad, imageRoot = path.dirname(file), splits = ["train", "restval"] }: KarpathyOptions): Generator<ImageTextPair> {
  const present = new Set<unknown>();
  let found = false;
  for (const image of objects(images)) {
    present.add(image["split"]);
    if (!splits.includes(image["split"] as string)) continue;
    found = true;
    const { filepath, filename } = image;
    const id = String(image["cocoid"] ?? image["imgid"] ?? filename);
    const captions = objects(image["sentences"]).flatMap(({ raw }) => captionsOf(raw));
    if (typeof filename !== "string") onBad({ id, reason: "no image" });
    else if (captions.length === 0) onBad({ id, reason: "no caption" });
    else yield { id, image: imagePath(typeof filepath === "string" ? path.join(filepath, filename) : filename, imageRoot), captions };
  }
  if (!found) throw new TrainingError(`readKarpathyPairs: expected images of the splits ${splits.join(", ")} in ${file}, got ${[...present].join(", ") || "none"}`);
}

async function readJson(file: string, caller: string, lists: readonly string[]): Promise<Json> {
  let value: unknown;
  try {
    value = JSON.parse(await readFile(file, "utf8"));
  } catch (cause) {
    throw new TrainingError(`${caller}: cannot read ${file} as JSON: ${(cause as Error).message}`, { cause });
  }
  const object = value as Json | null;
  for (const list of lists) {
    if (typeof object !== "object" || !Array.isArray(object?.[list])) throw new TrainingError(`${caller}: expected a list "${list}" in ${file}`);
  }
  return object as Json;
}

function objects(list: unknown): readonly Json[] {
  return Array.isArray(list) ? list.filter((item) => typeof item === "object" && item !== null) : [];
}
