import { ImageStore } from "../data/image-store.js";
import { readRows } from "../data/read-rows.js";
import { imageOf, optionalText, textOf, textsOf } from "../data/row-fields.js";
import { relaxedMetric } from "../metrics/task-metrics.js";
import type { AnswerTask, TaskData } from "../task.js";
import { hubData } from "./hub-data.js";
import { chartAnswer, trimmed } from "./prompts.js";

const data: TaskData = hubData("lmms-lab/ChartQA", "test", 2500);

/** ChartQA, test (Masry et al. 2022): questions by people and augmented ones. */
export const chartqa: AnswerTask = {
  name: "chartqa",
  kind: "answer",
  title: "ChartQA, test",
  data,
  maxTokens: 16,
  postProcess: trimmed,
  metric: relaxedMetric,
  async *read(folder) {
    const store = new ImageStore(folder, data.fetch);
    let index = 0;
    for await (const row of readRows(folder, { splits: ["test"] }, data.fetch)) {
      const group = optionalText(row, "type");
      yield { id: String(index++), image: imageOf(row, store), prompt: textOf(row, "question") + chartAnswer, references: textsOf(row, "answer"), ...(group === undefined ? {} : { group }) };
    }
  },
};
