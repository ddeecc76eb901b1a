import { seededHash, seededUniform, type ImageTextPair } from "@sightline/contrastive";
import { colorJitter, cropped, decodeImage, mirrored, randomCropBox, type DecodedImage } from "@sightline/vision-tower";
import { SightlineError } from "../sightline-error.js";
import type { AugmentSettings } from "./finetune-settings.js";
import type { TrainingVision } from "./training-vision.js";

/** What an image's changes are drawn from: the same seed, epoch and pair give the same picture. */
export interface AugmentDraw {
  readonly settings: AugmentSettings;
  readonly seed: number;
  readonly epoch: number;
}

/**
 * One pair's image as it is kept for the tower, changed at random first where that is asked for.
 * @returns uint8[rowBytes]
 * @throws ImageError when it cannot be read; SightlineError `bad-input` when it has the wrong size and must not be resized
 */
export async function trainingPixels({ image, id }: ImageTextPair, vision: TrainingVision, augment?: AugmentDraw, signal?: AbortSignal): Promise<Uint8Array> {
  const decoded = await decodeImage(typeof image === "function" ? await image() : image, signal ? { signal } : {});
  const uniform = augment ? uniforms(augment, id) : undefined;
  const part = uniform && augment?.settings.randomResizedCrop ? randomPart(decoded, augment.settings.randomResizedCrop, uniform) : decoded;
  const resized = resizedFor(vision, part, id);
  return vision.row(uniform && augment ? changed(resized, augment.settings, uniform) : resized);
}

function resizedFor(vision: TrainingVision, image: DecodedImage, id: string): DecodedImage {
  try {
    return vision.resize(image);
  } catch (cause) {
    throw cause instanceof RangeError ? new SightlineError("bad-input", `finetune: ${id}: ${cause.message}`, { cause }) : cause;
  }
}

function uniforms({ seed, epoch }: AugmentDraw, id: string): () => number {
  const hash = seededHash(seed, epoch, "augment", id);
  let drawn = 0;
  return () => seededUniform(hash, drawn++);
}

function randomPart(image: DecodedImage, { scale = [0.5, 1], ratio = [3 / 4, 4 / 3] }: NonNullable<AugmentSettings["randomResizedCrop"]>, uniform: () => number): DecodedImage {
  return cropped(image, randomCropBox(image.width, image.height, { scale, ratio }, uniform));
}

function changed(image: DecodedImage, { horizontalFlip = 0, colorJitter: jitter }: AugmentSettings, uniform: () => number): DecodedImage {
  const turned = horizontalFlip > 0 && uniform() < horizontalFlip ? mirrored(image) : image;
  return jitter ? colorJitter(turned, { brightness: 0, contrast: 0, saturation: 0, hue: 0, ...jitter }, uniform) : turned;
}
