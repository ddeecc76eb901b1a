import { gemma3 } from "./families/gemma3.js";
import { idefics3 } from "./families/idefics3.js";
import { lfm2 } from "./families/lfm2.js";
import { linearProjector } from "./families/linear.js";
import { mlp } from "./families/mlp.js";
import { qwen3vlMerger } from "./families/qwen3vl-merger.js";
import { resampler } from "./families/resampler.js";
import type { ProjectorFamily } from "./projector-family.js";

/** The known families; adding one is a file and a line here. */
export const families: readonly ProjectorFamily[] = [gemma3, idefics3, lfm2, linearProjector, mlp, qwen3vlMerger, resampler];
