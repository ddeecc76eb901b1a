import { ImageStore } from "../data/image-store.js";
import { readRows } from "../data/read-rows.js";
import { imageOf, textOf, textsOf } from "../data/row-fields.js";
import { vqaMetric } from "../metrics/task-metrics.js";
import type { AnswerTask, TaskData } from "../task.js";
import { hubData } from "./hub-data.js";
import { shortAnswer, trimmed } from "./prompts.js";

const data: TaskData = hubData("lmms-lab/VQAv2", "validation", 214354, "data/validation-*");

/** VQAv2, validation (Goyal et al. 2017): ten answers by people each. */
export const vqav2: AnswerTask = {
  name: "vqav2",
  kind: "answer",
  title: "VQAv2, validation",
  data,
  maxTokens: 16,
  postProcess: trimmed,
  metric: vqaMetric,
  async *read(folder) {
    const store = new ImageStore(folder, data.fetch);
    for await (const row of readRows(folder, { splits: ["validation"] }, data.fetch)) {
      const answers = row["answers"];
      const references = Array.isArray(answers) ? answers.map((answer: string | { readonly answer: string }) => (typeof answer === "string" ? answer : answer.answer)) : textsOf(row, "multiple_choice_answer");
      yield { id: textOf(row, "question_id"), image: imageOf(row, store), prompt: textOf(row, "question") + shortAnswer, references };
    }
  },
};
