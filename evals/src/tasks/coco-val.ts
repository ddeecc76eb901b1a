import path from "node:path";
import { cocoCaptions } from "../data/caption-json.js";
import { ImageStore } from "../data/image-store.js";
import { isFile, readRows } from "../data/read-rows.js";
import { imageOf, textOf, textsOf } from "../data/row-fields.js";
import { captionMetric } from "../metrics/task-metrics.js";
import type { AnswerTask } from "../task.js";
import { hubData } from "./hub-data.js";
import { captionPrompt, trimmed } from "./prompts.js";

/** COCO captions, validation: the hub's parquet, or captions_val<year>.json with its pictures. */
export function cocoVal(year: 2014 | 2017, dataset: string, samples: number): AnswerTask {
  const data = hubData(dataset, "val", samples, "data/val-*");
  const annotations = `captions_val${year}.json`;
  return {
    name: `coco${year}-val`,
    kind: "answer",
    title: `COCO ${year} captions, validation`,
    data,
    maxTokens: 64,
    postProcess: trimmed,
    metric: captionMetric,
    async *read(folder) {
      if (await isFile(path.join(folder, annotations))) {
        for await (const sample of cocoCaptions(folder, annotations, data.fetch)) yield { ...sample, prompt: captionPrompt };
        return;
      }
      const store = new ImageStore(folder, data.fetch);
      for await (const row of readRows(folder, { splits: ["val"] }, data.fetch)) {
        yield { id: textOf(row, "id", "question_id"), image: imageOf(row, store), prompt: captionPrompt, references: textsOf(row, "answer") };
      }
    },
  };
}
