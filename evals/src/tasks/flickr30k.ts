import { flickr30kSamples } from "../data/flickr30k.js";
import { captionMetric } from "../metrics/task-metrics.js";
import type { AnswerTask, TaskData } from "../task.js";

import { captionPrompt, trimmed } from "./prompts.js";

const data: TaskData = {
  source: "nlphuji/flickr30k",
  split: "test",
  size: 1000,
  fetch: "fetch it with: hf download nlphuji/flickr30k --repo-type dataset --local-dir FOLDER, and unpack flickr30k-images.zip there",
};

/** Flickr30k captions, test split */
export const flickr30k: AnswerTask = {
  name: "flickr30k",
  kind: "answer",
  title: "Flickr30k captions, test split",
  data,
  maxTokens: 64,
  postProcess: trimmed,
  metric: captionMetric,
  async *read(folder) {
    for await (const sample of flickr30kSamples(folder, data.fetch)) yield { ...sample, prompt: captionPrompt };
  },
};
