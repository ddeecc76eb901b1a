import { ImageStore } from "../data/image-store.js";
import { readRows } from "../data/read-rows.js";
import { imageOf, textOf, textsOf } from "../data/row-fields.js";
import { vqaMetric } from "../metrics/task-metrics.js";
import type { AnswerTask, TaskData } from "../task.js";
import { hubData } from "./hub-data.js";
import { shortAnswer, trimmed } from "./prompts.js";

const data: TaskData = hubData("lmms-lab/textvqa", "validation", 5000, "data/validation-*");

/** TextVQA, validation (Singh et al. 2019), without the OCR tokens that some give in the prompt. */
export const textvqa: AnswerTask = {
  name: "textvqa",
  kind: "answer",
  title: "TextVQA, validation",
  data,
  maxTokens: 16,
  postProcess: trimmed,
  metric: vqaMetric,
  async *read(folder) {
    const store = new ImageStore(folder, data.fetch);
    for await (const row of readRows(folder, { splits: ["validation"], others: ["TextVQA_0.5.1_val.json"] }, data.fetch)) {
      const file = `${textOf(row, "image_id")}.jpg`;
      // lmms-eval asks with a large first letter.
      const question = textOf(row, "question");
      yield { id: textOf(row, "question_id"), image: imageOf({ ...row, file }, store, ["image", "file"]), prompt: question.charAt(0).toUpperCase() + question.slice(1).toLowerCase() + shortAnswer, references: textsOf(row, "answers") };
    }
  },
};
