import { ImageStore } from "../data/image-store.js";
import { readRows } from "../data/read-rows.js";
import { imageOf, textOf } from "../data/row-fields.js";
import { mmeMetric } from "../metrics/task-metrics.js";
import type { AnswerTask, TaskData } from "../task.js";
import { hubData } from "./hub-data.js";
import { shortAnswer, trimmed } from "./prompts.js";

const data: TaskData = hubData("lmms-lab/MME", "test", 2374);

/** MME (Fu et al. 2023): two questions a picture, fourteen categories. */
export const mme: AnswerTask = {
  name: "mme",
  kind: "answer",
  title: "MME",
  data,
  maxTokens: 16,
  postProcess: trimmed,
  metric: mmeMetric,
  async *read(folder) {
    const store = new ImageStore(folder, data.fetch);
    const asked = new Map<string, number>();
    for await (const row of readRows(folder, { splits: ["test"] }, data.fetch)) {
      const group = textOf(row, "category");
      const picture = textOf(row, "question_id");
      const key = `${group}:${picture}`;
      const number = (asked.get(key) ?? 0) + 1;
      asked.set(key, number);
      // The published questions carry a prompt of their own, which lmms-eval takes off.
      const question = textOf(row, "question").replace(" Please answer yes or no.", "").trim();
      yield { id: `${key}:${number}`, imageId: key, group, image: imageOf(row, store), prompt: question + shortAnswer, references: [textOf(row, "answer")] };
    }
  },
};
