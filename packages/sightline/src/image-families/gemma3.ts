import { gemma3Plan } from "@sightline/vision-tower";
import { processorField } from "./facts.js";
import type { ImageFamily } from "./image-family.js";

/** Gemma 3 and MedGemma: the whole picture, and crops with pan and scan, which `detail: "high"` turns on. */
export const gemma3: ImageFamily = {
  type: "gemma3",
  // Gemma Team 2025, 2.1: bidirectional attention among image tokens.
  nonCausal: true,
  marker: "<start_of_image>",
  planner(facts) {
    const { side, style, panAndScan } = facts;
    const always = panAndScan ?? (processorField(facts, "do_pan_and_scan") === true ? {} : undefined);
    return {
      plan(image, { detail }) {
        const crops = detail === "low" ? undefined : (always ?? (detail === "high" ? {} : undefined));
        return gemma3Plan(image, { side, preprocessing: style, ...(crops ? { panAndScan: crops } : {}) });
      },
    };
  },
};
