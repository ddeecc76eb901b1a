import path from "node:path";
import type { Sample } from "../task.js";
import { karpathyCaptions } from "./caption-json.js";
import { ImageStore } from "./image-store.js";
import { isFile, readRows } from "./read-rows.js";
import { imageOf, textOf, textsOf } from "./row-fields.js";

/** Flickr30k's test pictures: the CSV whose `raw` holds JSON, Karpathy's JSON, or the hub's parquet of them. */
export async function* flickr30kSamples(folder: string, fetch: string): AsyncGenerator<Omit<Sample, "prompt">> {
  if (await isFile(path.join(folder, "dataset_flickr30k.json"))) {
    yield* karpathyCaptions(folder, "dataset_flickr30k.json", "test", fetch);
    return;
  }
  const store = new ImageStore(folder, fetch);
  for await (const row of readRows(folder, { splits: ["test"], others: ["flickr_annotations_30k.csv"] }, fetch)) {
    if (typeof row["split"] === "string" && row["split"] !== "test") continue;
    yield { id: textOf(row, "img_id", "filename"), image: imageOf(row, store, ["image", "filename"]), references: textsOf(row, "raw", "caption") };
  }
}
