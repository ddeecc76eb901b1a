import type { PreparedImages } from "../checkpoint.js";
import type { DecodedImage } from "./decode-image.js";
import { normalize } from "./normalize.js";
import type { Normalization } from "./normalize.js";
import { resample } from "./resample.js";
import type { ResampleFilter } from "./resample-filter.js";

/** How a checkpoint wants its images: squashed to one size (never cropped, the aspect ratio is not kept), then normalised. */
export interface Preprocessing extends Normalization {
  readonly width: number;
  readonly height: number;
  /** `null`: images must come at `width` x `height` already (`do_resize: false`). */
  readonly filter: ResampleFilter | null;
}

/** A batch for the tower: `data` is `float32[B, 3, H, W]`. */
export interface PixelBatch {
  readonly data: Float32Array;
  readonly shape: readonly [batch: number, channels: 3, height: number, width: number];
}

/** The buffer of an earlier batch, where it is large enough for `count` images: `float32[count * 3 * H * W]`. */
export function reusablePixels(earlier: PreparedImages | undefined, count: number, { width, height }: Pick<Preprocessing, "width" | "height">): Float32Array | undefined {
  const buffer = earlier?.feeds["pixels"]?.data.buffer;
  const length = count * 3 * height * width;
  return buffer && buffer.byteLength >= length * 4 ? new Float32Array(buffer, 0, length) : undefined;
}

/**
 * An image at the size that the tower sees; one that has it already is returned as it is.
 * @throws RangeError when `filter` is null and the image has another size
 */
export function resizeFor(image: DecodedImage, { width, height, filter }: Preprocessing): DecodedImage {
  if (filter !== null) return resample(image, width, height, filter);
  if (image.width === width && image.height === height) return image;
  throw new RangeError(`preprocess: expected an image of ${width}x${height}, because do_resize is false, got ${image.width}x${image.height}`);
}

/**
 * Resizes and normalises images into one batch, in their order.
 *
 * @param out Where to put it; must hold exactly `B * 3 * H * W` values. Allocated when left out.
 * @throws RangeError when `out` has another length, or `filter` is null and an image has another size.
 */
export function preprocess(images: readonly DecodedImage[], how: Preprocessing, out?: Float32Array): PixelBatch {
  const { width, height } = how;
  const perImage = 3 * height * width;
  const data = out ?? new Float32Array(images.length * perImage);
  if (data.length !== images.length * perImage) {
    throw new RangeError(`preprocess: expected a buffer of ${images.length}x3x${height}x${width} = ${images.length * perImage} values, got ${data.length}`);
  }
  images.forEach((image, i) => normalize(resizeFor(image, how), how, data, i * perImage));
  return { data, shape: [images.length, 3, height, width] };
}
