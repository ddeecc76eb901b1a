import type { DecodedImage } from "./decode-image.js";

/** One number for each of red, green and blue. */
export type PerChannel = readonly [number, number, number];

/** How bytes become the tower's numbers: (value · rescale - mean) / std, channel by channel. */
export interface Normalization {
  /** Subtracted after rescaling. */
  readonly mean: PerChannel;
  /** Divided by at the end. */
  readonly std: PerChannel;
  /** Multiplied with the 0..255 value first, usually 1/255. */
  readonly rescale: number;
}

/** The 256 values a channel can take, rounded to float32 after each step, as NumPy does in Hugging Face's processor. */
export function channelTable(mean: number, std: number, rescale: number): Float32Array {
  const table = new Float32Array(256);
  const mean32 = Math.fround(mean);
  const std32 = Math.fround(std);
  for (let value = 0; value < 256; value++) {
    table[value] = Math.fround(Math.fround(value * rescale) - mean32) / std32;
  }
  return table;
}

/**
 * Writes `(pixel * rescale - mean) / std` as `float32[3, H, W]` into `out` from `offset` on, so that the images of a
 * batch land in one `float32[B, 3, H, W]` without a copy.
 *
 * @throws RangeError when the image does not fit into `out` at `offset`.
 */
export function normalize(image: DecodedImage, { mean, std, rescale }: Normalization, out: Float32Array, offset: number = 0): void {
  const { data } = image;
  const plane = image.width * image.height;
  if (data.length !== plane * 3) {
    throw new RangeError(`normalize: expected ${image.width}x${image.height}x3 = ${plane * 3} bytes of pixels, got ${data.length}`);
  }
  if (!Number.isInteger(offset) || offset < 0 || offset + plane * 3 > out.length) {
    throw new RangeError(`normalize: expected room for ${plane * 3} values from offset ${offset}, got a buffer of ${out.length}`);
  }
  const red = channelTable(mean[0], std[0], rescale);
  const green = channelTable(mean[1], std[1], rescale);
  const blue = channelTable(mean[2], std[2], rescale);
  for (let i = 0, at = offset; i < data.length; i += 3, at++) {
    out[at] = red[data[i]!]!;
    out[at + plane] = green[data[i + 1]!]!;
    out[at + 2 * plane] = blue[data[i + 2]!]!;
  }
}
