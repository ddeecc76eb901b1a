import { ImageStore } from "../data/image-store.js";
import { readRows } from "../data/read-rows.js";
import { imageOf, optionalText, textOf } from "../data/row-fields.js";
import { popeMetric } from "../metrics/task-metrics.js";
import type { AnswerTask, TaskData } from "../task.js";
import { hubData } from "./hub-data.js";
import { shortAnswer, trimmed } from "./prompts.js";

const data: TaskData = hubData("lmms-lab/POPE", "test", 9000, "data/test-*");

/** POPE (Li et al. 2023): random, popular and adversarial questions about things that are there or not. */
export const pope: AnswerTask = {
  name: "pope",
  kind: "answer",
  title: "POPE",
  data,
  maxTokens: 16,
  postProcess: trimmed,
  metric: popeMetric,
  async *read(folder) {
    const store = new ImageStore(folder, data.fetch);
    for await (const row of readRows(folder, { splits: ["test"], others: ["coco_pope.jsonl"] }, data.fetch)) {
      const group = optionalText(row, "category");
      // Question numbers start anew in each category.
      const id = [group, textOf(row, "id", "question_id")].filter((part) => part !== undefined).join(":");
      yield { id, image: imageOf(row, store), prompt: textOf(row, "question") + shortAnswer, references: [textOf(row, "answer").toLowerCase().trim()], ...(group === undefined ? {} : { group }) };
    }
  },
};
