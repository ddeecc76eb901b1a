import type { DecodedImage } from "./decode-image.js";

/**
 * Whether Pillow resizes the height before the width, which decides what is rounded to 8 bits in between: since its
 * version 13, where the height loses more than twice as many pixels as the width. Older versions never did, and differ
 * by a level here and there for pictures such as a phone's 9:16.
 */
export function heightFirst(image: DecodedImage, outWidth: number, outHeight: number): boolean {
  const { width, height } = image;
  return width !== outWidth && height - outHeight > 2 * Math.max(0, width - outWidth);
}
