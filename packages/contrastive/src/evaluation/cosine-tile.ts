/** Rows from <= i < to of a matrix. */
export interface RowRange {
  readonly from: number;
  readonly to: number;
}

/**
 * x_i · y_j of some rows of both, eight products at once in each step, which keeps the processor's adders busy. Each is
 * summed in float64 from its first element to its last, so equal rows give equal products wherever they lie.
 * @param out float64, at least as many as there are pairs: those of the first i, then of the next
 */
export function cosineTile(x: Float32Array, xRows: RowRange, y: Float32Array, yRows: RowRange, width: number, out: Float64Array): void {
  const columns = yRows.to - yRows.from;
  const [evenRows, evenColumns] = [(xRows.to - xRows.from) & ~1, columns & ~3];
  for (let i = 0; i < evenRows; i += 2) {
    for (let j = 0; j < evenColumns; j += 4) eightProducts(x, (xRows.from + i) * width, y, (yRows.from + j) * width, width, out, i * columns + j, columns);
  }
  for (let i = 0; i < xRows.to - xRows.from; i++) {
    for (let j = i < evenRows ? evenColumns : 0; j < columns; j++) {
      let sum = 0;
      const [xAt, yAt] = [(xRows.from + i) * width, (yRows.from + j) * width];
      for (let k = 0; k < width; k++) sum += (x[xAt + k] as number) * (y[yAt + k] as number);
      out[i * columns + j] = sum;
    }
  }
}

/** Two rows of x with four of y. */
function eightProducts(x: Float32Array, xAt: number, y: Float32Array, yAt: number, width: number, out: Float64Array, at: number, columns: number): void {
  let [a, b, c, d, e, f, g, h] = [0, 0, 0, 0, 0, 0, 0, 0];
  const x1 = xAt + width;
  const y1 = yAt + width;
  const y2 = y1 + width;
  const y3 = y2 + width;
  for (let k = 0; k < width; k++) {
    const first = x[xAt + k] as number;
    const second = x[x1 + k] as number;
    const p = y[yAt + k] as number;
    const q = y[y1 + k] as number;
    const r = y[y2 + k] as number;
    const s = y[y3 + k] as number;
    a += first * p;
    b += first * q;
    c += first * r;
    d += first * s;
    e += second * p;
    f += second * q;
    g += second * r;
    h += second * s;
  }
  out[at] = a;
  out[at + 1] = b;
  out[at + 2] = c;
  out[at + 3] = d;
  out[at + columns] = e;
  out[at + columns + 1] = f;
  out[at + columns + 2] = g;
  out[at + columns + 3] = h;
}
