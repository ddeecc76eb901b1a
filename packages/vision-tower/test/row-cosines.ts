/** The least cosine between rows of the same place: float32[n, width] each. */
export function leastCosine(a: Float32Array, b: Float32Array, width: number): number {
  return Math.min(...rowCosines(a, b, width));
}

/** The mean of them. */
export function meanCosine(a: Float32Array, b: Float32Array, width: number): number {
  const cosines = rowCosines(a, b, width);
  return cosines.reduce((sum, cosine) => sum + cosine, 0) / cosines.length;
}

function rowCosines(a: Float32Array, b: Float32Array, width: number): number[] {
  const cosines: number[] = [];
  for (let start = 0; start < a.length; start += width) {
    const [x, y] = [a.subarray(start, start + width), b.subarray(start, start + width)];
    const dot = (u: Float32Array, v: Float32Array): number => u.reduce((sum, value, i) => sum + value * (v[i] as number), 0);
    cosines.push(dot(x, y) / Math.sqrt(dot(x, x) * dot(y, y)));
  }
  return cosines;
}
