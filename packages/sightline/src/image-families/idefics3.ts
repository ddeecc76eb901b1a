import { idefics3Plan } from "@sightline/vision-tower";
import { countOf, processorField } from "./facts.js";
import type { ImageFamily } from "./image-family.js";

/** Idefics3, SmolVLM, granite-docling: tiles and an overview. */
export const idefics3: ImageFamily = {
  type: "idefics3",
  marker: "<image>",
  planner(facts) {
    const { side, style } = facts;
    const longestEdge = countOf(facts, "clip.vision.preproc_image_size", "size.longest_edge") ?? 4 * side;
    const splits = processorField(facts, "do_image_splitting") !== false;
    return {
      plan: (image, { detail }) => idefics3Plan(image, { side, longestEdge, preprocessing: style, tiling: detail === "low" ? false : detail === "high" || splits }),
    };
  },
};
