import path from "node:path";
import { EvalError } from "../eval-error.js";
import { ImageStore } from "./image-store.js";
import { readJson, type Row } from "./read-rows.js";
import type { Sample } from "../task.js";

type CaptionSample = Omit<Sample, "prompt">;

/**
 * Pictures and captions of a file in COCO's format: `{images: [{id, file_name, domain?}], annotations: [{image_id, caption}]}`,
 * in the order of the images. Pictures without a caption are left out.
 * @throws EvalError `data-missing`, `data-changed`
 */
export async function* cocoCaptions(folder: string, name: string, fetch: string): AsyncGenerator<CaptionSample> {
  const json = await readJson(path.join(folder, name), fetch);
  const captions = new Map<string, string[]>();
  for (const { image_id: id, caption } of rowsOf(json, "annotations", name)) {
    const known = captions.get(String(id));
    if (known) known.push(String(caption));
    else captions.set(String(id), [String(caption)]);
  }
  const store = new ImageStore(folder, fetch);
  for (const image of rowsOf(json, "images", name)) {
    const references = captions.get(String(image["id"]));
    if (!references) continue;
    const file = String(image["file_name"]);
    yield { id: String(image["id"]), image: () => store.find(file), references, ...(typeof image["domain"] === "string" ? { group: image["domain"] } : {}) };
  }
}

/**
 * Pictures and captions of one split of Karpathy's files: `{images: [{filepath?, filename, split, cocoid?, imgid, sentences: [{raw}]}]}`.
 * @throws EvalError `data-missing`, `data-changed`
 */
export async function* karpathyCaptions(folder: string, name: string, split: string, fetch: string): AsyncGenerator<CaptionSample> {
  const json = await readJson(path.join(folder, name), fetch);
  const store = new ImageStore(folder, fetch);
  for (const image of rowsOf(json, "images", name)) {
    if (image["split"] !== split) continue;
    const file = [image["filepath"], image["filename"]].filter((part) => typeof part === "string").join("/");
    const sentences = image["sentences"];
    if (!Array.isArray(sentences)) throw changed(name, "images with sentences");
    yield { id: String(image["cocoid"] ?? image["imgid"]), image: () => store.find(file), references: sentences.map(({ raw }: { readonly raw: string }) => raw) };
  }
}

function rowsOf(json: Row, key: string, name: string): readonly Row[] {
  const rows = json[key];
  if (!Array.isArray(rows)) throw changed(name, `a list of ${key}`);
  return rows as readonly Row[];
}

function changed(name: string, what: string): EvalError {
  return new EvalError("data-changed", `eval: expected ${what} in ${name}, found none; fetch it again`);
}
