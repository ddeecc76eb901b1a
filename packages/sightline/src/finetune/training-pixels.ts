import { seededHash, seededUniform, type ImageTextPair } from "@sightline/contrastive";
import { colorJitter, cropped, decodeImage, mirrored, randomCropBox, resample, type DecodedImage, type Preprocessing } from "@sightline/vision-tower";
import { SightlineError } from "../sightline-error.js";
import type { AugmentSettings } from "./finetune-settings.js";

/** What an image's changes are drawn from: the same seed, epoch and pair give the same picture. */
export interface AugmentDraw {
  readonly settings: AugmentSettings;
  readonly seed: number;
  readonly epoch: number;
}

/**
 * One pair's image as the tower sees it: uint8[H, W, 3], squashed to its size with the checkpoint's filter, changed at
 * random first where that is asked for.
 * @throws ImageError when it cannot be read; SightlineError `bad-input` when it has the wrong size and must not be resized
 */
export async function trainingPixels({ image, id }: ImageTextPair, { width, height, filter }: Preprocessing, augment?: AugmentDraw, signal?: AbortSignal): Promise<Uint8Array> {
  const decoded = await decodeImage(image, signal ? { signal } : {});
  const changed = augment ? augmented(decoded, id, augment) : decoded;
  if (filter !== null) return resample(changed, width, height, filter).data;
  if (changed.width === width && changed.height === height) return changed.data;
  throw new SightlineError("bad-input", `finetune: ${id}: expected an image of ${width}x${height}, because the checkpoint has do_resize false, got ${changed.width}x${changed.height}`);
}

function augmented(image: DecodedImage, id: string, { settings, seed, epoch }: AugmentDraw): DecodedImage {
  const hash = seededHash(seed, epoch, "augment", id);
  let drawn = 0;
  const uniform = (): number => seededUniform(hash, drawn++);
  const { randomResizedCrop, horizontalFlip = 0, colorJitter: jitter } = settings;
  let changed = image;
  if (randomResizedCrop) {
    const { scale = [0.5, 1], ratio = [3 / 4, 4 / 3] } = randomResizedCrop;
    changed = cropped(changed, randomCropBox(image.width, image.height, { scale, ratio }, uniform));
  }
  if (horizontalFlip > 0 && uniform() < horizontalFlip) changed = mirrored(changed);
  if (jitter) changed = colorJitter(changed, { brightness: 0, contrast: 0, saturation: 0, hue: 0, ...jitter }, uniform);
  return changed;
}
