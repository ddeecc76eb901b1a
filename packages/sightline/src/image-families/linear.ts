import type { ImageFamily } from "./image-family.js";
import { squashed } from "./squashed.js";

/** PaliGemma: the picture squashed to the tower's square; picture and question are one prefix (Beyer et al. 2024, 3.1). */
export const linear: ImageFamily = {
  type: "linear",
  prompt: "prefix",
  planner: ({ side, preprocessing }) => ({ plan: () => squashed(side, preprocessing.filter) }),
};
