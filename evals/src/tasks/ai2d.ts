import { ImageStore } from "../data/image-store.js";
import { readRows } from "../data/read-rows.js";
import { imageOf, textOf, textsOf } from "../data/row-fields.js";
import { choiceMetric } from "../metrics/task-metrics.js";
import type { AnswerTask, TaskData } from "../task.js";
import { hubData } from "./hub-data.js";
import { letterAnswer, lettered, trimmed } from "./prompts.js";

const data: TaskData = hubData("lmms-lab/ai2d", "test", 3088);

/** AI2D, test (Kembhavi et al. 2016): diagrams, four choices. */
export const ai2d: AnswerTask = {
  name: "ai2d",
  kind: "answer",
  title: "AI2D, test",
  data,
  maxTokens: 16,
  postProcess: trimmed,
  metric: choiceMetric,
  async *read(folder) {
    const store = new ImageStore(folder, data.fetch);
    let index = 0;
    for await (const row of readRows(folder, { splits: ["test"] }, data.fetch)) {
      const options = textsOf(row, "options");
      yield {
        id: String(index++),
        image: imageOf(row, store),
        prompt: `${textOf(row, "question")}\n${lettered(options)}${letterAnswer}`,
        references: [String.fromCharCode(65 + Number(textOf(row, "answer")))],
        options,
      };
    }
  },
};
