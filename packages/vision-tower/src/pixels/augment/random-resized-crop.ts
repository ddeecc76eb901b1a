import type { DecodedImage } from "../decode-image.js";

/** Settings of `randomCropBox` (torchvision's RandomResizedCrop). */
export interface RandomCropOptions {
  /** The least and the most share of the picture's area. */
  readonly scale: readonly [number, number];
  /** The least and the most width over height. */
  readonly ratio: readonly [number, number];
}

/** A rectangle in a picture, pixels. */
export interface CropBox {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

const tries = 10;

/**
 * Where a random crop lies, as torchvision's RandomResizedCrop chooses it: area uniform, ratio uniform in its logarithm,
 * ten tries; then the largest part in the middle whose ratio is allowed.
 * @param uniform numbers in [0, 1)
 */
export function randomCropBox(width: number, height: number, { scale, ratio }: RandomCropOptions, uniform: () => number): CropBox {
  const between = ([low, high]: readonly [number, number]): number => low + (high - low) * uniform();
  for (let i = 0; i < tries; i++) {
    const area = width * height * between(scale);
    const aspect = Math.exp(between([Math.log(ratio[0]), Math.log(ratio[1])]));
    const w = Math.round(Math.sqrt(area * aspect));
    const h = Math.round(Math.sqrt(area / aspect));
    if (w < 1 || h < 1 || w > width || h > height) continue;
    const top = Math.floor(uniform() * (height - h + 1));
    const left = Math.floor(uniform() * (width - w + 1));
    return { left, top, width: w, height: h };
  }
  const own = width / height;
  const w = own > ratio[1] ? Math.max(1, Math.round(height * ratio[1])) : width;
  const h = own < ratio[0] ? Math.max(1, Math.round(width / ratio[0])) : height;
  return { left: Math.floor((width - w) / 2), top: Math.floor((height - h) / 2), width: w, height: h };
}

/** A part of a picture, as a picture of its own. */
export function cropped({ width, data }: DecodedImage, box: CropBox): DecodedImage {
  const out = new Uint8Array(box.width * box.height * 3);
  for (let y = 0; y < box.height; y++) {
    const from = ((box.top + y) * width + box.left) * 3;
    out.set(data.subarray(from, from + box.width * 3), y * box.width * 3);
  }
  return { width: box.width, height: box.height, data: out };
}

/** The picture in a mirror: left becomes right. */
export function mirrored({ width, height, data }: DecodedImage): DecodedImage {
  const out = new Uint8Array(data.length);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const from = (y * width + x) * 3;
      out.set(data.subarray(from, from + 3), (y * width + width - 1 - x) * 3);
    }
  }
  return { width, height, data: out };
}
