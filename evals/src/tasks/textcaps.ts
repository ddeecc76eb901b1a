import { ImageStore } from "../data/image-store.js";
import { readRows } from "../data/read-rows.js";
import { imageOf, textOf, textsOf } from "../data/row-fields.js";
import { captionMetric } from "../metrics/task-metrics.js";
import type { AnswerTask, TaskData } from "../task.js";
import { hubData } from "./hub-data.js";
import { captionPrompt, trimmed } from "./prompts.js";

const data: TaskData = hubData("lmms-lab/TextCaps", "val", 3166, "data/val-*");

/** TextCaps validation */
export const textcaps: AnswerTask = {
  name: "textcaps",
  kind: "answer",
  title: "TextCaps validation",
  data,
  maxTokens: 64,
  postProcess: trimmed,
  metric: captionMetric,
  async *read(folder) {
    const store = new ImageStore(folder, data.fetch);
    // One row a caption: a picture's rows are one sample, with the references of the first.
    const seen = new Set<string>();
    for await (const row of readRows(folder, { splits: ["val"], others: ["TextCaps_0.1_val.json"] }, data.fetch)) {
      const id = textOf(row, "image_id");
      if (seen.has(id)) continue;
      seen.add(id);
      yield { id, image: imageOf({ ...row, file: `${id}.jpg` }, store, ["image", "file"]), prompt: captionPrompt, references: textsOf(row, "reference_strs", "caption_str") };
    }
  },
};
