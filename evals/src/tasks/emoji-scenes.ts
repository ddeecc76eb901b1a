import { fileURLToPath } from "node:url";
import { ImageStore } from "../data/image-store.js";
import { readRows } from "../data/read-rows.js";
import { imageOf, textOf, textsOf } from "../data/row-fields.js";
import { namesMetric } from "../metrics/object-names.js";
import type { AnswerTask } from "../task.js";
import { trimmed } from "./prompts.js";

const own = fileURLToPath(new URL("../../data/emoji-scenes/", import.meta.url));
const reinstall = "install @sightline/evals again";

/**
 * Scenes of mini's world in styles that it was never trained on: "What do you see?", scored by the names in the answer, and
 * one question each that is answered yes or no. Comes with the package.
 */
export const emojiScenes: AnswerTask = {
  name: "emoji-scenes",
  kind: "answer",
  title: "Scenes of emoji in held-out styles, which come with the package",
  maxTokens: 48,
  postProcess: trimmed,
  metric: namesMetric,
  async *read() {
    const store = new ImageStore(own, reinstall);
    for await (const row of readRows(own, { splits: [], others: ["scenes.jsonl"] }, reinstall)) {
      const file = textOf(row, "file");
      const image = imageOf(row, store, ["file"]);
      yield { id: `${file}:names`, imageId: file, image, prompt: "What do you see?", references: textsOf(row, "names"), group: "names" };
      yield { id: `${file}:presence`, imageId: file, image, prompt: textOf(row, "question"), references: [textOf(row, "answer")], group: "yes/no" };
    }
  },
};
