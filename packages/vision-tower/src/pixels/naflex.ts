import type { PatchGrid } from "../checkpoint.js";
import type { DecodedImage } from "./decode-image.js";
import { channelTable } from "./normalize.js";
import type { Normalization } from "./normalize.js";
import { resample } from "./resample.js";
import type { ResampleFilter } from "./resample-filter.js";

/** The most patches that an image may be given, 2048 x 2048 pixels at patch 16: attention over them takes gigabytes. */
export const maxPatchesLimit: number = 16_384;

/** How a NaFlex checkpoint wants its images: near their own shape, cut into at most so many patches, then normalised. */
export interface NaflexPreprocessing extends Normalization {
  /** Side of a square patch, pixels. */
  readonly patchSize: number;
  /** P, the patches that every image has room for. */
  readonly maxPatches: number;
  /** `null`: images must come in whole patches already (`do_resize: false`). */
  readonly filter: ResampleFilter | null;
}

/** A batch for the tower. */
export interface NaflexBatch {
  /** float32[B, P, p·p·3], the values of a patch by row, column, channel; zeros after an image's last patch. */
  readonly data: Float32Array;
  readonly shape: readonly [batch: number, patches: number, values: number];
  /** One for each image. */
  readonly grids: readonly PatchGrid[];
}

/**
 * The grid that an image is resized to: by the largest scale at which its sides, each rounded up to whole patches, hold
 * no more than `maxPatches`. Found by halving an interval, as transformers' Siglip2ImageProcessor finds it; where it
 * stops short of the largest scale, so does this.
 * @param width pixels
 * @param height pixels
 */
export function naflexGrid(width: number, height: number, patchSize: number, maxPatches: number): PatchGrid {
  const eps = 1e-5;
  const grid = (scale: number): PatchGrid => ({
    rows: Math.max(1, Math.ceil((height * scale) / patchSize)),
    columns: Math.max(1, Math.ceil((width * scale) / patchSize)),
  });
  let fits = eps / 10;
  let exceeds = 100;
  while (exceeds - fits >= eps) {
    const scale = (fits + exceeds) / 2;
    const { rows, columns } = grid(scale);
    if (rows * columns <= maxPatches) fits = scale;
    else exceeds = scale;
  }
  return grid(fits);
}

/**
 * Resizes, normalises and cuts images into one batch of patches, in their order: the bits of transformers'
 * Siglip2ImageProcessorPil. Its torchvision twin rounds otherwise between the passes of a resize and differs by at most
 * one level of 255.
 * @throws RangeError when `filter` is null and an image is not made of whole patches, or of too many
 */
export function preprocessNaflex(images: readonly DecodedImage[], how: NaflexPreprocessing): NaflexBatch {
  const { patchSize, maxPatches } = how;
  const patchWidth = 3 * patchSize * patchSize;
  const data = new Float32Array(images.length * maxPatches * patchWidth);
  const grids = images.map((image, i) => {
    const grid = how.filter === null ? wholePatches(image, i, how) : naflexGrid(image.width, image.height, patchSize, maxPatches);
    const resized = how.filter === null ? image : resample(image, grid.columns * patchSize, grid.rows * patchSize, how.filter);
    cutPatches(resized, grid, how, data, i * maxPatches * patchWidth);
    return grid;
  });
  return { data, shape: [images.length, maxPatches, patchWidth], grids };
}

function wholePatches({ width, height }: DecodedImage, i: number, { patchSize, maxPatches }: NaflexPreprocessing): PatchGrid {
  const grid = { rows: height / patchSize, columns: width / patchSize };
  if (!Number.isInteger(grid.rows) || !Number.isInteger(grid.columns) || grid.rows * grid.columns > maxPatches) {
    throw new RangeError(`preprocessNaflex: expected image ${i} to be at most ${maxPatches} patches of ${patchSize}x${patchSize}, because do_resize is false, got ${width}x${height}`);
  }
  return grid;
}

/** Writes the patches of an image into `out` from `offset` on, row by row of the grid. */
function cutPatches(image: DecodedImage, grid: PatchGrid, { patchSize, mean, std, rescale }: NaflexPreprocessing, out: Float32Array, offset: number): void {
  const tables = [0, 1, 2].map((channel) => channelTable(mean[channel] as number, std[channel] as number, rescale));
  const [red, green, blue] = tables as [Float32Array, Float32Array, Float32Array];
  const { data, width } = image;
  let at = offset;
  for (let row = 0; row < grid.rows; row++) {
    for (let column = 0; column < grid.columns; column++) {
      for (let y = row * patchSize; y < (row + 1) * patchSize; y++) {
        const start = (y * width + column * patchSize) * 3;
        for (let pixel = start; pixel < start + 3 * patchSize; pixel += 3) {
          out[at++] = red[data[pixel]!]!;
          out[at++] = green[data[pixel + 1]!]!;
          out[at++] = blue[data[pixel + 2]!]!;
        }
      }
    }
  }
}
