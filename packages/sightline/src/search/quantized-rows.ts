/**
 * The length of a quantised vector: the largest at which a sum of products of two of them stays in the range of int32.
 */
const scale = 32_767;

/**
 * Writes a vector as int16, scaled to length 32767 and rounded.
 * @param from float32[width] at `at`
 * @param to int16[width] at `toAt`
 * @returns false, and zeros, for a vector without a direction: one of zeros, or with a value that is not finite
 */
export function quantize(from: Float32Array, at: number, width: number, to: Int16Array, toAt: number): boolean {
  let squares = 0;
  for (let i = at; i < at + width; i++) {
    const value = from[i]!;
    squares += value * value;
  }
  // A NaN or an infinity makes it NaN or infinite; squares of float32 values do not overflow doubles.
  if (!(squares > 0 && squares < Number.POSITIVE_INFINITY)) {
    to.fill(0, toAt, toAt + width);
    return false;
  }
  const factor = scale / Math.sqrt(squares);
  // Math.round, in a third of its time: the sum is positive, so that cutting off its fraction rounds down.
  for (let d = 0; d < width; d++) to[toAt + d] = ((from[at + d]! * factor + (2 ** 15 + 0.5)) | 0) - 2 ** 15;
  return true;
}

/**
 * How far the product of two quantised vectors, over 32767², may be from the cosine of the vectors.
 *
 * With unit vectors u and v, rounded ones u' and v', and |u - u'| and |v - v'| at most e = sqrt(width) / 2 / 32767:
 * |u·v - u'·v'| <= |u| |v - v'| + |v'| |u - u'| <= e + (1 + e) e. A little is added for the rounding of doubles.
 */
export function cosineBound(width: number): number {
  const e = Math.sqrt(width) / 2 / scale;
  return 2 * e + e * e + 1e-9;
}

/**
 * The least product that a row of the best k may have, where the k-th best product is `kth`: its cosine is not below that
 * of the k-th best, and each product is at most `cosineBound` from its cosine.
 */
export function leastProduct(kth: number, width: number): number {
  return kth - Math.ceil(2 * cosineBound(width) * scale * scale);
}

/** Cosine of two float32[width], summed in doubles in the order of the values. */
export function cosine(a: Float32Array, b: Float32Array): number {
  let [product, squaresA, squaresB] = [0, 0, 0];
  for (let d = 0; d < a.length; d++) {
    const [x, y] = [a[d]!, b[d]!];
    product += x * y;
    squaresA += x * x;
    squaresB += y * y;
  }
  return product / (Math.sqrt(squaresA) * Math.sqrt(squaresB));
}
