import { gemma3 } from "./gemma3.js";
import { idefics3 } from "./idefics3.js";
import type { ImageFamily } from "./image-family.js";
import { lfm2 } from "./lfm2.js";
import { linear } from "./linear.js";
import { mlp } from "./mlp.js";
import { qwen3vl } from "./qwen3vl.js";
import { resampler } from "./resampler.js";

/** How pictures are shown to models of each projector type; adding one is a file and a line here. */
export const imageFamilies: readonly ImageFamily[] = [gemma3, idefics3, lfm2, linear, mlp, qwen3vl, resampler];
