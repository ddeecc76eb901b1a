import { minicpmPlan } from "@sightline/vision-tower";
import { countOf, processorField } from "./facts.js";
import type { ImageFamily } from "./image-family.js";

/** MiniCPM-V: the picture small, then slices of it. */
export const resampler: ImageFamily = {
  type: "resampler",
  marker: "(<image>./</image>)",
  planner(facts) {
    const { side, patchSize, style } = facts;
    const maxSlices = countOf(facts, undefined, "max_slice_nums") ?? 9;
    const numbered = processorField(facts, "use_image_id") !== false;
    return {
      // Its own chat joins the parts of a message with newlines.
      afterImage: style === "llama.cpp" ? "" : "\n",
      plan: (image, { detail, imageIndex }) => minicpmPlan(image, { side, patchSize, maxSlices, preprocessing: style, tiling: detail !== "low", ...(numbered ? { imageId: imageIndex } : {}) }),
    };
  },
};
