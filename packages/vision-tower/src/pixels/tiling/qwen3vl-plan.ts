import { checkSize, text, type ImagePlan, type PreprocessingStyle, type Size } from "./image-plan.js";
import { letterbox } from "./letterbox.js";
import { llamaSmartSize, smartSize } from "./smart-resize.js";

/** The defaults are those of the published checkpoints, or llama.cpp's own where its way is asked for. */
export interface Qwen3vlPlan {
  /** Side of a patch, pixels. 16 when left out. */
  readonly patchSize?: number;
  /** Patches along a side that become one token. 2 when left out. */
  readonly factor?: number;
  /** How many pixels the picture is given at least (`size.shortest_edge`). 256 x 256 when left out; llama.cpp's: 8 tokens. */
  readonly minPixels?: number;
  /** And at most (`size.longest_edge`). 4096 x 4096 when left out; llama.cpp's: 4096 tokens, 2048 x 2048. */
  readonly maxPixels?: number;
  readonly preprocessing?: PreprocessingStyle;
}

/** No picture may be this many times as long as it is wide, in transformers. */
const maxRatio = 200;

/**
 * Qwen3-VL: the picture in one piece, near its own shape and size, both sides whole tokens (transformers
 * Qwen2VLImageProcessor's `smart_resize`). llama.cpp allows fewer pixels, works in float32, and keeps the shape exactly, on
 * black.
 * @throws RangeError for a picture without pixels, or, as transformers, for one more than 200 times as long as wide
 */
export function qwen3vlPlan(image: Size, { patchSize = 16, factor = 2, minPixels, maxPixels, preprocessing = "huggingface" }: Qwen3vlPlan = {}): ImagePlan {
  checkSize("qwen3vlPlan", image);
  const layout = [text("<|vision_start|>"), { type: "view", view: 0 } as const, text("<|vision_end|>")];
  const unit = patchSize * factor;
  if (preprocessing === "llama.cpp") {
    const frame = llamaSmartSize(image, unit, { min: minPixels ?? 8 * unit ** 2, max: maxPixels ?? 4096 * unit ** 2 });
    return { views: [letterbox(image, frame, "bicubic", [0, 0, 0])], layout };
  }
  const ratio = Math.max(image.width, image.height) / Math.min(image.width, image.height);
  if (ratio > maxRatio) throw new RangeError(`qwen3vlPlan: expected a picture at most ${maxRatio} times as long as wide, got ${image.width}x${image.height}`);
  const size = smartSize(image, unit, { min: minPixels ?? 256 ** 2, max: maxPixels ?? 4096 ** 2 });
  return { views: [[{ type: "resize", ...size, filter: "bicubic" }]], layout };
}
