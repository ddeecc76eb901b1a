import { ImageStore } from "../data/image-store.js";
import { readRows } from "../data/read-rows.js";
import { imageOf, textOf, textsOf } from "../data/row-fields.js";
import { anlsMetric } from "../metrics/task-metrics.js";
import type { AnswerTask, TaskData } from "../task.js";
import { hubData } from "./hub-data.js";
import { shortAnswer, trimmed } from "./prompts.js";

const data: TaskData = hubData("lmms-lab/DocVQA", "validation", 5349, "DocVQA/validation-*");

/** DocVQA, validation (Mathew et al. 2021). */
export const docvqa: AnswerTask = {
  name: "docvqa",
  kind: "answer",
  title: "DocVQA, validation",
  data,
  maxTokens: 32,
  postProcess: trimmed,
  metric: anlsMetric,
  async *read(folder) {
    const store = new ImageStore(folder, data.fetch);
    for await (const row of readRows(folder, { splits: ["validation"], others: ["val_v1.0_withQT.json", "val_v1.0.json"] }, data.fetch)) {
      yield { id: textOf(row, "questionId"), image: imageOf(row, store), prompt: textOf(row, "question") + shortAnswer, references: textsOf(row, "answers") };
    }
  },
};
