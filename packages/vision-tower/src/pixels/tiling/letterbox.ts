import type { ResampleFilter } from "../resample-filter.js";
import { resizeStep, type ImageView, type Size } from "./image-plan.js";

/**
 * The whole picture in a frame, its shape kept and the rest one colour, as llama.cpp fits it (`PAD_CEIL` of its
 * mtmd-image.cpp): sides rounded up, in float32, the picture in the middle, an odd pixel to the right or below.
 */
export function letterbox(image: Size, frame: Size, filter: ResampleFilter, color: readonly [number, number, number]): ImageView {
  if (image.width === frame.width && image.height === frame.height) return [];
  const scale = Math.min(Math.fround(frame.width / image.width), Math.fround(frame.height / image.height));
  const width = Math.min(Math.ceil(Math.fround(image.width * scale)), frame.width);
  const height = Math.min(Math.ceil(Math.fround(image.height * scale)), frame.height);
  return [
    resizeStep({ width, height }, filter, "llama.cpp"),
    { type: "pad", left: Math.floor((frame.width - width) / 2), top: Math.floor((frame.height - height) / 2), color, ...frame },
  ];
}
