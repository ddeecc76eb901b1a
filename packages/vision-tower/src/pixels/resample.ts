import type { DecodedImage } from "./decode-image.js";
import { heightFirst } from "./pass-order.js";
import { filterKernels } from "./resample-filter.js";
import type { ResampleFilter } from "./resample-filter.js";
import { resamplePlain } from "./resample-plain.js";
import { resampleSimd } from "./resample-simd.js";

function checkSize(name: string, size: number): void {
  if (!Number.isInteger(size) || size < 1 || size > 65_535) {
    throw new RangeError(`resample: expected ${name} to be an integer from 1 to 65535, got ${size}`);
  }
}

/**
 * Resizes an image with the bits of Pillow's `Image.resize` (13 or later): fixed-point coefficients, rounding to 8 bits
 * between the passes, an axis whose size does not change left alone. `uint8[H, W, 3]` in,
 * `uint8[outHeight, outWidth, 3]` out. An image that already has the size is returned as it is, not copied.
 *
 * @throws RangeError for a size that is not a positive integer, or an image whose data does not fit its size.
 */
export function resample(image: DecodedImage, outWidth: number, outHeight: number, filter: ResampleFilter): DecodedImage {
  checkSize("outWidth", outWidth);
  checkSize("outHeight", outHeight);
  const { width, height } = image;
  if (image.data.length !== width * height * 3 || image.data.length === 0) {
    throw new RangeError(`resample: expected ${width}x${height}x3 = ${width * height * 3} bytes of pixels, got ${image.data.length}`);
  }
  if (!Object.hasOwn(filterKernels, filter)) {
    throw new RangeError(`resample: expected filter to be one of ${Object.keys(filterKernels).join(", ")}, got ${String(filter)}`);
  }
  if (width === outWidth && height === outHeight) return image;
  if (heightFirst(image, outWidth, outHeight)) return resample(resample(image, width, outHeight, filter), outWidth, outHeight, filter);
  return resampleSimd(image, outWidth, outHeight, filter) ?? resamplePlain(image, outWidth, outHeight, filter);
}
