import type { DecodedImage } from "./decode-image.js";
import { normalize, type Normalization } from "./normalize.js";
import type { PixelBatch } from "./preprocess.js";
import type { ResampleFilter } from "./resample-filter.js";
import { resample } from "./resample.js";

/** How CLIP, DINOv2 and their kin want images: resized, then cut to a square in the middle, then normalised. */
export interface CropPreprocessing extends Normalization {
  /** Side of the square, pixels. */
  readonly side: number;
  /**
   * `shortest`: the shorter side becomes `edge`, the shape is kept. `squash`: both do. `null`: images come as they are,
   * and those that are smaller than the square get a black border.
   */
  readonly resize: { readonly mode: "shortest" | "squash"; readonly edge: number; readonly filter: ResampleFilter } | null;
  /** Where the square lies when half a pixel is left over: transformers goes down, torchvision to the even number. */
  readonly halfPixel: "down" | "even";
}

/** The same for a tower that sees another square; what is cut off stays the same share. */
export function atSide(how: CropPreprocessing, side: number): CropPreprocessing {
  return { ...how, side, resize: how.resize && { ...how.resize, edge: Math.round((how.resize.edge * side) / how.side) } };
}

/**
 * Resizes, crops and normalises images into one batch, in their order: float32[B, 3, side, side].
 * @param out where to put it, exactly B · 3 · side · side values; allocated when left out
 * @throws RangeError when `out` has another length, or an image is so long that it cannot be resized
 */
export function preprocessCropped(images: readonly DecodedImage[], how: CropPreprocessing, out?: Float32Array): PixelBatch {
  const { side } = how;
  const perImage = 3 * side * side;
  const data = out ?? new Float32Array(images.length * perImage);
  if (data.length !== images.length * perImage) {
    throw new RangeError(`preprocessCropped: expected a buffer of ${images.length}x3x${side}x${side} = ${images.length * perImage} values, got ${data.length}`);
  }
  images.forEach((image, i) => normalize(centerCrop(resizedForCrop(image, how), side, how.halfPixel), how, data, i * perImage));
  return { data, shape: [images.length, 3, side, side] };
}

/** The image before it is cut. Doing it twice changes nothing more. */
export function resizedForCrop(image: DecodedImage, { resize }: CropPreprocessing): DecodedImage {
  if (resize === null) return image;
  const { mode, edge, filter } = resize;
  const { width, height } = image;
  if (mode === "squash") return resample(image, edge, edge, filter);
  // Cut off and not rounded, as both transformers and torchvision do.
  const long = Math.trunc((edge * Math.max(width, height)) / Math.min(width, height));
  return width <= height ? resample(image, edge, long, filter) : resample(image, long, edge, filter);
}

/**
 * The square in the middle of an image, uint8[side, side, 3]; black where the image does not reach. An image that has
 * that size already is returned as it is.
 */
export function centerCrop(image: DecodedImage, side: number, halfPixel: CropPreprocessing["halfPixel"]): DecodedImage {
  const { width, height } = image;
  if (width === side && height === side) return image;
  const top = offset(height, side, halfPixel);
  const left = offset(width, side, halfPixel);
  const data = new Uint8Array(side * side * 3);
  const from = Math.max(left, 0);
  const to = Math.min(left + side, width);
  for (let y = Math.max(top, 0); y < Math.min(top + side, height); y++) {
    data.set(image.data.subarray((y * width + from) * 3, (y * width + to) * 3), ((y - top) * side + from - left) * 3);
  }
  return { width: side, height: side, data };
}

/** Where the square starts along an axis; below 0 where it is longer than the image. */
function offset(length: number, side: number, halfPixel: CropPreprocessing["halfPixel"]): number {
  const down = Math.floor((length - side) / 2);
  // A border is split by torchvision as transformers does it, but the other way round.
  if (halfPixel === "down" || (length - side) % 2 === 0) return down;
  return length < side || down % 2 !== 0 ? down + 1 : down;
}
