/** x_i · y_j for all j, four products at once in each step, which keeps the processor's adders busy. float64[M] */
export function cosineRow(x: Float32Array, i: number, y: Float32Array, width: number, out: Float64Array): void {
  const at = i * width;
  const count = out.length;
  let j = 0;
  for (; j + 4 <= count; j += 4) {
    let [a, b, c, d] = [0, 0, 0, 0];
    const y0 = j * width;
    for (let k = 0; k < width; k++) {
      const value = x[at + k] as number;
      a += value * (y[y0 + k] as number);
      b += value * (y[y0 + width + k] as number);
      c += value * (y[y0 + 2 * width + k] as number);
      d += value * (y[y0 + 3 * width + k] as number);
    }
    out[j] = a;
    out[j + 1] = b;
    out[j + 2] = c;
    out[j + 3] = d;
  }
  for (; j < count; j++) {
    let sum = 0;
    for (let k = 0; k < width; k++) sum += (x[at + k] as number) * (y[j * width + k] as number);
    out[j] = sum;
  }
}
