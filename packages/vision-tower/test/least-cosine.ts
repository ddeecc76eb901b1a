/** The least cosine between rows of two matrices. */
export function leastCosine(a: Float32Array, b: Float32Array, width: number): number {
  let least = 1;
  for (let start = 0; start < a.length; start += width) {
    const [x, y] = [a.subarray(start, start + width), b.subarray(start, start + width)];
    const dot = (u: Float32Array, v: Float32Array): number => u.reduce((sum, value, i) => sum + value * (v[i] as number), 0);
    least = Math.min(least, dot(x, y) / Math.sqrt(dot(x, x) * dot(y, y)));
  }
  return least;
}
