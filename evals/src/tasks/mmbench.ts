import { ImageStore } from "../data/image-store.js";
import { readRows } from "../data/read-rows.js";
import { imageOf, optionalText, textOf } from "../data/row-fields.js";
import { choiceMetric } from "../metrics/task-metrics.js";
import type { AnswerTask, TaskData } from "../task.js";
import { hubData } from "./hub-data.js";
import { letterAnswer, lettered, trimmed } from "./prompts.js";

const data: TaskData = hubData("lmms-lab/MMBench", "dev", 4329, "en/dev-*");

/** MMBench, English, dev (Liu et al. 2023). Letters are read by rule; published figures ask a language model which option was meant, and turn options round. */
export const mmbench: AnswerTask = {
  name: "mmbench",
  kind: "answer",
  title: "MMBench, English, dev",
  data,
  maxTokens: 16,
  postProcess: trimmed,
  metric: choiceMetric,
  async *read(folder) {
    const store = new ImageStore(folder, data.fetch);
    for await (const row of readRows(folder, { splits: ["dev"], others: ["mmbench_dev_en.tsv", "MMBench_DEV_EN.tsv"] }, data.fetch)) {
      const options = ["A", "B", "C", "D"].flatMap((letter) => optionalText(row, letter) ?? []);
      const hint = optionalText(row, "hint");
      const group = optionalText(row, "l2-category") ?? optionalText(row, "category");
      yield {
        id: textOf(row, "index"),
        image: imageOf(row, store),
        prompt: `${hint === undefined ? "" : `${hint} `}${textOf(row, "question")}\n${lettered(options)}${letterAnswer}`,
        references: [textOf(row, "answer")],
        options,
        ...(group === undefined ? {} : { group }),
      };
    }
  },
};
