import type { Size } from "./image-plan.js";
import { roundHalfEven } from "./round-half-even.js";

/** How many pixels a resized picture may have. */
export interface PixelLimits {
  readonly min: number;
  readonly max: number;
}

/**
 * Whole units near the picture's size, as many as allowed (`smart_resize` of transformers' Qwen2-VL image processor).
 * @param least what a side is at least before the limits apply, pixels: LFM2-VL says a unit
 */
export function smartSize({ width, height }: Size, unit: number, { min, max }: PixelLimits, least = 0): Size {
  const near = (length: number): number => Math.max(least, roundHalfEven(length / unit) * unit);
  const size = { width: near(width), height: near(height) };
  if (size.width * size.height > max) {
    const beta = Math.sqrt((height * width) / max);
    const below = (length: number): number => Math.max(unit, Math.floor(length / beta / unit) * unit);
    return { width: below(width), height: below(height) };
  }
  if (size.width * size.height < min) {
    const beta = Math.sqrt(min / (height * width));
    const above = (length: number): number => Math.ceil((length * beta) / unit) * unit;
    return { width: above(width), height: above(height) };
  }
  return size;
}

/** The same in float32, halves rounded up, never less than a unit (`calc_size_preserved_ratio` of llama.cpp's mtmd-image.cpp). */
export function llamaSmartSize({ width, height }: Size, unit: number, { min, max }: PixelLimits): Size {
  const f = Math.fround;
  const near = (length: number): number => Math.max(unit, Math.round(f(length / unit)) * unit);
  const size = { width: near(width), height: near(height) };
  const area = f(f(height) * width);
  if (size.width * size.height > max) {
    const beta = f(Math.sqrt(f(area / max)));
    const below = (length: number): number => Math.max(unit, Math.floor(f(f(length / beta) / unit)) * unit);
    return { width: below(width), height: below(height) };
  }
  if (size.width * size.height < min) {
    const beta = f(Math.sqrt(f(min / area)));
    const above = (length: number): number => Math.ceil(f(f(length * beta) / unit)) * unit;
    return { width: above(width), height: above(height) };
  }
  return size;
}
