/** A matrix [out, in] as int8, transposed to [in, out], with one scale for each output channel. */
export interface Int8Weight {
  /** int8[in, out]; weight ≈ value · scale of its output channel */
  readonly values: Int8Array;
  /** float32[out] */
  readonly scales: Float32Array;
}

/** Columns whose reads and transposed writes stay in the first cache together. */
const tile = 64;

/**
 * Symmetric int8 with a scale for each output channel: scale = max |w| / 127, value = round(w / scale), and no zero
 * point, which would cost the kernel a correction for every product.
 * @param weight float32[out, in]
 */
export function quantizeWeight(weight: Float32Array, outWidth: number, inWidth: number): Int8Weight {
  const values = new Int8Array(inWidth * outWidth);
  const scales = new Float32Array(outWidth);
  for (let out = 0; out < outWidth; out++) {
    const end = (out + 1) * inWidth;
    let largest = 0;
    for (let i = end - inWidth; i < end; i++) largest = Math.max(largest, Math.abs(weight[i] as number));
    scales[out] = largest / 127;
    // A row of zeros, or too small for its scale to be a number, is zeros at any scale.
    if (scales[out] === 0) scales[out] = 1;
  }
  for (let outStart = 0; outStart < outWidth; outStart += tile) {
    const outEnd = Math.min(outStart + tile, outWidth);
    for (let inStart = 0; inStart < inWidth; inStart += tile) {
      const inEnd = Math.min(inStart + tile, inWidth);
      for (let out = outStart; out < outEnd; out++) {
        const row = out * inWidth;
        const inverse = 1 / (scales[out] as number);
        for (let i = inStart; i < inEnd; i++) {
          // Shifted to be positive, so that truncating rounds; Math.round is several times slower.
          values[i * outWidth + out] = (((weight[row + i] as number) * inverse + 128.5) | 0) - 128;
        }
      }
    }
  }
  return { values, scales };
}
