import { flickr30kSamples } from "../data/flickr30k.js";
import type { EmbeddingTask } from "../task.js";
import { flickr30k } from "./flickr30k.js";

/** Retrieval both ways among Flickr30k's 1,000 test pictures and their 5,000 captions. */
export const flickr30kRetrieval: EmbeddingTask = {
  name: "flickr30k-retrieval",
  kind: "retrieval",
  title: "Flickr30k retrieval, test split",
  ...(flickr30k.data ? { data: flickr30k.data } : {}),
  async *read(folder) {
    for await (const sample of flickr30kSamples(folder, flickr30k.data?.fetch ?? "")) yield { ...sample, prompt: "" };
  },
};
