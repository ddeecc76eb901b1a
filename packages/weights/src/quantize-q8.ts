import { toFloat16 } from "./half-floats.js";

const blockElements = 32;
const blockBytes = 34;
/** Blocks with a larger element have a scale beyond the largest half-precision number. */
const largestElement = 127 * 65504;

/**
 * Quantises float32 to ggml's Q8_0: blocks of 32, a half-precision scale d = max|x| / 127, then x / d as int8, rounded to
 * nearest with ties away from zero. The steps are float32 as in ggml-quants.c, so that the bytes are the same.
 * @param values whole blocks
 * @returns undefined when an element is not finite or too large, since its whole block would become NaN
 */
export function quantizeQ8(values: Float32Array): Uint8Array | undefined {
  const blocks = values.length / blockElements;
  const bytes = new Uint8Array(blocks * blockBytes);
  const quants = new Int8Array(bytes.buffer);
  for (let b = 0; b < blocks; b++) {
    const from = b * blockElements;
    const to = b * blockBytes;
    let largest = 0;
    for (let i = from; i < from + blockElements; i++) {
      const magnitude = Math.abs(values[i] as number);
      if (!(magnitude <= largestElement)) return undefined;
      if (magnitude > largest) largest = magnitude;
    }
    const scale = Math.fround(largest / 127);
    const inverse = scale === 0 ? 0 : Math.fround(1 / scale);
    const half = toFloat16(scale);
    bytes[to] = half & 255;
    bytes[to + 1] = half >> 8;
    // A scale of 0 in half precision makes every element 0, whatever the quants; an infinite inverse would make them NaN.
    if (inverse === Number.POSITIVE_INFINITY) continue;
    for (let i = 0; i < blockElements; i++) {
      const q = Math.fround((values[from + i] as number) * inverse);
      quants[to + 2 + i] = q < 0 ? -Math.floor(0.5 - q) : Math.floor(q + 0.5);
    }
  }
  return bytes;
}
