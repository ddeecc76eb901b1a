import { axisTaps, precisionBits } from "./axis-taps.js";
import type { AxisTaps } from "./axis-taps.js";
import type { DecodedImage } from "./decode-image.js";
import type { ResampleFilter } from "./resample-filter.js";

const half = 1 << (precisionBits - 1);

/** Rows `fromRow` up to `toRow` of `data` (`uint8[*, inWidth, 3]`), each resampled to `outWidth` pixels. */
function resampleRows(data: Uint8Array, inWidth: number, fromRow: number, toRow: number, outWidth: number, taps: AxisTaps): Uint8Array {
  const { first, count, coefficients, stride } = taps;
  // Clamped on store, which is the clamp wanted: the values are integers by then.
  const out = new Uint8ClampedArray((toRow - fromRow) * outWidth * 3);
  let at = 0;
  for (let row = fromRow; row < toRow; row++) {
    const rowStart = row * inWidth * 3;
    for (let x = 0; x < outWidth; x++) {
      let red = half;
      let green = half;
      let blue = half;
      let pixel = rowStart + first[x]! * 3;
      const end = x * stride + count[x]!;
      for (let k = x * stride; k < end; k++) {
        const coefficient = coefficients[k]!;
        red = (red + Math.imul(data[pixel]!, coefficient)) | 0;
        green = (green + Math.imul(data[pixel + 1]!, coefficient)) | 0;
        blue = (blue + Math.imul(data[pixel + 2]!, coefficient)) | 0;
        pixel += 3;
      }
      out[at] = red >> precisionBits;
      out[at + 1] = green >> precisionBits;
      out[at + 2] = blue >> precisionBits;
      at += 3;
    }
  }
  return new Uint8Array(out.buffer);
}

/** `data` (`uint8[*, rowLength]`, whose first row is row `firstRow` of the image) resampled to `outHeight` rows. */
function resampleColumns(data: Uint8Array, rowLength: number, firstRow: number, outHeight: number, taps: AxisTaps): Uint8Array {
  const { first, count, coefficients, stride } = taps;
  const out = new Uint8ClampedArray(outHeight * rowLength);
  const sums = new Int32Array(rowLength);
  for (let y = 0; y < outHeight; y++) {
    sums.fill(half);
    // Row after row into a line of sums: both are read in memory order, unlike column after column.
    for (let k = 0; k < count[y]!; k++) {
      const coefficient = coefficients[y * stride + k]!;
      const row = (first[y]! + k - firstRow) * rowLength;
      for (let x = 0; x < rowLength; x++) sums[x] = sums[x]! + Math.imul(data[row + x]!, coefficient);
    }
    const at = y * rowLength;
    for (let x = 0; x < rowLength; x++) out[at + x] = sums[x]! >> precisionBits;
  }
  return new Uint8Array(out.buffer);
}

/**
 * Pillow's resampling in plain TypeScript: what the kernel in WebAssembly is held against, and what runs where there is
 * none or the image does not fit it. The sizes are those that `resample` has checked.
 */
export function resamplePlain(image: DecodedImage, outWidth: number, outHeight: number, filter: ResampleFilter): DecodedImage {
  const { width, height } = image;
  let data = image.data;
  let firstRow = 0;
  const vertical = height === outHeight ? undefined : axisTaps(height, outHeight, filter);
  if (width !== outWidth) {
    // Rows that no output row reads are skipped; with a filter as wide as these there are none but at the edges.
    firstRow = vertical?.first[0] ?? 0;
    const toRow = vertical === undefined ? height : vertical.first[outHeight - 1]! + vertical.count[outHeight - 1]!;
    data = resampleRows(data, width, firstRow, toRow, outWidth, axisTaps(width, outWidth, filter));
  }
  if (vertical !== undefined) data = resampleColumns(data, outWidth * 3, firstRow, outHeight, vertical);
  return { width: outWidth, height: outHeight, data };
}
