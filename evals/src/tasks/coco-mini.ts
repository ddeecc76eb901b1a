import { fileURLToPath } from "node:url";
import { cocoCaptions } from "../data/caption-json.js";
import { captionMetric } from "../metrics/task-metrics.js";
import type { AnswerTask } from "../task.js";
import { captionPrompt, trimmed } from "./prompts.js";

const own = fileURLToPath(new URL("../../data/coco-mini/", import.meta.url));

/** 25 photographs of COCO 2017 val with five captions each. They come with the package; too few for a figure to compare. */
export const cocoMini: AnswerTask = {
  name: "coco-mini",
  kind: "answer",
  title: "COCO, 25 photographs that come with the package",
  maxTokens: 64,
  postProcess: trimmed,
  metric: captionMetric,
  async *read() {
    for await (const sample of cocoCaptions(own, "captions.json", "install @sightline/evals again")) yield { ...sample, prompt: captionPrompt };
  },
};
