import { qwen3vlPlan } from "@sightline/vision-tower";
import { countOf } from "./facts.js";
import type { ImageFamily } from "./image-family.js";

/** Pixels of a picture with `detail: "low"`: 256 tokens, where a token is 32 x 32. */
const lowPixels = 512 ** 2;

/** Qwen3-VL: the picture in one piece, near its own shape and size. */
export const qwen3vl: ImageFamily = {
  type: "qwen3vl_merger",
  marker: "<|vision_start|><|image_pad|><|vision_end|>",
  planner(facts) {
    const { patchSize, style } = facts;
    const factor = countOf(facts, "clip.vision.spatial_merge_size", "merge_size");
    const minPixels = countOf(facts, "clip.vision.image_min_pixels", "size.shortest_edge");
    const maxPixels = countOf(facts, "clip.vision.image_max_pixels", "size.longest_edge");
    return {
      plan(image, { detail }) {
        const most = detail === "low" ? Math.max(minPixels ?? 0, lowPixels) : maxPixels;
        return qwen3vlPlan(image, { patchSize, preprocessing: style, ...(factor ? { factor } : {}), ...(minPixels ? { minPixels } : {}), ...(most ? { maxPixels: most } : {}) });
      },
    };
  },
};
