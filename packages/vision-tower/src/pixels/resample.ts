import type { DecodedImage } from "./decode-image.js";
import { heightFirst } from "./pass-order.js";
import { filterKernels } from "./resample-filter.js";
import type { FilterKernel, ResampleFilter } from "./resample-filter.js";

/**
 * Bits after the point in a coefficient. 8 bits of pixel and 2 of headroom leave 22 of an int32: a filter's partial
 * sums overshoot 255 by less than a factor of four.
 */
const precisionBits = 32 - 8 - 2;
const half = 1 << (precisionBits - 1);

/** For each output position along one axis: which input positions it reads, and with which fixed-point coefficients. */
interface AxisTaps {
  /** `int32[out]`, the first input position. */
  readonly first: Int32Array;
  /** `int32[out]`, how many input positions. */
  readonly count: Int32Array;
  /** `int32[out, stride]`, scaled by 2^22. */
  readonly coefficients: Int32Array;
  readonly stride: number;
}

/** The filter is stretched when the axis shrinks, so that every input pixel counts; each row of weights is made to sum to 1. */
function axisTaps(inSize: number, outSize: number, filter: FilterKernel): AxisTaps {
  const scale = inSize / outSize;
  const stretch = Math.max(scale, 1);
  const support = filter.support * stretch;
  const stride = Math.ceil(support) * 2 + 1;
  const first = new Int32Array(outSize);
  const count = new Int32Array(outSize);
  const coefficients = new Int32Array(outSize * stride);
  const weights = new Float64Array(stride);
  // Multiplied, not divided by: Pillow does so, and the last bit decides some coefficients' rounding.
  const shrink = 1 / stretch;
  for (let out = 0; out < outSize; out++) {
    const center = (out + 0.5) * scale;
    const from = Math.max(Math.trunc(center - support + 0.5), 0);
    const taps = Math.min(Math.trunc(center + support + 0.5), inSize) - from;
    let sum = 0;
    for (let k = 0; k < taps; k++) {
      const weight = filter.weight((k + from - center + 0.5) * shrink);
      weights[k] = weight;
      sum += weight;
    }
    for (let k = 0; k < taps; k++) {
      const weight = sum === 0 ? weights[k]! : weights[k]! / sum;
      coefficients[out * stride + k] = Math.trunc(weight * 2 ** precisionBits + (weight < 0 ? -0.5 : 0.5));
    }
    first[out] = from;
    count[out] = taps;
  }
  return { first, count, coefficients, stride };
}

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
  if (heightFirst(image, outWidth, outHeight)) return resample(resample(image, width, outHeight, filter), outWidth, outHeight, filter);
  const kernel = filterKernels[filter];
  let data = image.data;
  let firstRow = 0;
  const vertical = height === outHeight ? undefined : axisTaps(height, outHeight, kernel);
  if (width !== outWidth) {
    // Rows that no output row reads are skipped; with a filter as wide as these there are none but at the edges.
    firstRow = vertical?.first[0] ?? 0;
    const toRow = vertical === undefined ? height : vertical.first[outHeight - 1]! + vertical.count[outHeight - 1]!;
    data = resampleRows(data, width, firstRow, toRow, outWidth, axisTaps(width, outWidth, kernel));
  }
  if (vertical !== undefined) data = resampleColumns(data, outWidth * 3, firstRow, outHeight, vertical);
  return { width: outWidth, height: outHeight, data };
}
