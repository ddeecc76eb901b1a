import { karpathyCaptions } from "../data/caption-json.js";
import type { EmbeddingTask } from "../task.js";
import { cocoKarpathy } from "./coco-karpathy.js";

/** Retrieval both ways among Karpathy's 5,000 test pictures and their 25,010 captions. */
export const cocoRetrieval: EmbeddingTask = {
  name: "coco-retrieval",
  kind: "retrieval",
  title: "COCO retrieval, Karpathy's test split",
  ...(cocoKarpathy.data ? { data: cocoKarpathy.data } : {}),
  async *read(folder) {
    for await (const sample of karpathyCaptions(folder, "dataset_coco.json", "test", cocoKarpathy.data?.fetch ?? "")) yield { ...sample, prompt: "" };
  },
};
