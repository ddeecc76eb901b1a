import { filterKernels } from "./resample-filter.js";
import type { ResampleFilter } from "./resample-filter.js";

/**
 * Bits after the point in a coefficient. 8 bits of pixel and 2 of headroom leave 22 of an int32: a filter's partial
 * sums overshoot 255 by less than a factor of four.
 */
export const precisionBits: number = 32 - 8 - 2;

/** For each output position along one axis: which input positions it reads, and with which fixed-point coefficients. */
export interface AxisTaps {
  /** `int32[out]`, the first input position. */
  readonly first: Int32Array;
  /** `int32[out]`, how many input positions. */
  readonly count: Int32Array;
  /** `int32[out, stride]`, scaled by 2^22; 0 from `count` on. */
  readonly coefficients: Int32Array;
  readonly stride: number;
}

const tapsKept = 16;
const largestKept = 2 ** 18;
const recent = new Map<string, AxisTaps>();

/**
 * The taps of Pillow's `Image.resize` along one axis. The last few are kept, because photos come in few sizes and a
 * Lanczos table takes as long to compute as a tenth of a 12-megapixel photo's resampling.
 */
export function axisTaps(inSize: number, outSize: number, filter: ResampleFilter): AxisTaps {
  const key = `${filter} ${inSize} ${outSize}`;
  const known = recent.get(key);
  const taps = known ?? computeAxisTaps(inSize, outSize, filter);
  if (taps.coefficients.length > largestKept) return taps;
  // Deleted and set again, so that the one used longest ago is the map's first.
  recent.delete(key);
  recent.set(key, taps);
  if (recent.size > tapsKept) recent.delete(recent.keys().next().value as string);
  return taps;
}

/** The filter is stretched when the axis shrinks, so that every input pixel counts; each row of weights sums to 1. */
function computeAxisTaps(inSize: number, outSize: number, filter: ResampleFilter): AxisTaps {
  const kernel = filterKernels[filter];
  const scale = inSize / outSize;
  const stretch = Math.max(scale, 1);
  const support = kernel.support * stretch;
  const stride = Math.min(Math.ceil(support) * 2 + 1, inSize);
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
      const weight = kernel.weight((k + from - center + 0.5) * shrink);
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
