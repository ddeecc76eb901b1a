import path from "node:path";
import { cocoCaptions } from "../data/caption-json.js";
import { ImageStore } from "../data/image-store.js";
import { isFile, readRows } from "../data/read-rows.js";
import { imageOf, textOf, textsOf } from "../data/row-fields.js";
import { captionMetric } from "../metrics/task-metrics.js";
import type { AnswerTask, TaskData } from "../task.js";

import { captionPrompt, trimmed } from "./prompts.js";

const data: TaskData = {
  source: "lmms-lab/NoCaps, or https://nocaps.s3.amazonaws.com/nocaps_val_4500_captions.json",
  split: "validation",
  size: 4500,
  fetch: "fetch nocaps_val_4500_captions.json from nocaps.s3.amazonaws.com and the pictures that it names (hf download lmms-lab/NoCaps has them in parquet, without domains), and put them in FOLDER",
};

const annotations = "nocaps_val_4500_captions.json";
const domains: Readonly<Record<string, string>> = { "in-domain": "in", "near-domain": "near", "out-domain": "out" };

/** NoCaps validation (Agrawal et al. 2019). Figures of domains need the JSON file; the hub's parquet lacks them. */
export const nocaps: AnswerTask = {
  name: "nocaps",
  kind: "answer",
  title: "NoCaps validation, by domain",
  data,
  maxTokens: 64,
  postProcess: trimmed,
  metric: captionMetric,
  async *read(folder) {
    if (await isFile(path.join(folder, annotations))) {
      for await (const sample of cocoCaptions(folder, annotations, data.fetch)) yield { ...sample, prompt: captionPrompt, ...(sample.group === undefined ? {} : { group: domains[sample.group] ?? sample.group }) };
      return;
    }
    const store = new ImageStore(folder, data.fetch);
    for await (const row of readRows(folder, { splits: ["val"] }, data.fetch)) {
      yield { id: textOf(row, "image_id"), image: imageOf(row, store), prompt: captionPrompt, references: textsOf(row, "annotations_captions") };
    }
  },
};
