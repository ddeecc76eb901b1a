import { karpathyCaptions } from "../data/caption-json.js";
import { captionMetric } from "../metrics/task-metrics.js";
import type { AnswerTask, TaskData } from "../task.js";

import { trimmed } from "./prompts.js";

const data: TaskData = {
  source: "https://cs.stanford.edu/people/karpathy/deepimagesent/caption_datasets.zip and http://images.cocodataset.org/zips/val2014.zip",
  split: "test",
  size: 5000,
  fetch: "fetch caption_datasets.zip (dataset_coco.json) from cs.stanford.edu/people/karpathy/deepimagesent and val2014.zip from images.cocodataset.org/zips, and unpack both in FOLDER",
};

const prompt = "Describe the image briefly.";

/** COCO captions, Karpathy's test split */
export const cocoKarpathy: AnswerTask = {
  name: "coco-karpathy",
  kind: "answer",
  title: "COCO captions, Karpathy's test split",
  data,
  maxTokens: 64,
  postProcess: trimmed,
  metric: captionMetric,
  async *read(folder) {
    for await (const sample of karpathyCaptions(folder, "dataset_coco.json", "test", data.fetch)) yield { ...sample, prompt };
  },
};
