/** Rows of unit length, float32[N, D], and what they were divided by, float64[N]. A row of zeros stays one. */
export interface NormalizedRows {
  readonly rows: Float32Array;
  readonly norms: Float64Array;
}

/** x / |x| of each row. */
export function normalizeRows(x: Float32Array, width: number): NormalizedRows {
  const rows = new Float32Array(x.length);
  const norms = new Float64Array(x.length / width);
  for (let i = 0; i < norms.length; i++) {
    let squares = 0;
    for (let k = i * width; k < (i + 1) * width; k++) squares += (x[k] as number) ** 2;
    const norm = Math.sqrt(squares);
    norms[i] = norm;
    if (norm > 0) for (let k = i * width; k < (i + 1) * width; k++) rows[k] = (x[k] as number) / norm;
  }
  return { rows, norms };
}

/**
 * Turns gradients of unit rows, times `factor`, into gradients of the rows themselves, in place:
 * (d - x̂ (x̂·d)) / |x|.
 * @returns the sum over the rows of x̂·d, which is the derivative by the logarithm of a common factor on x̂
 */
export function backpropRows(gradients: Float32Array, { rows, norms }: NormalizedRows, width: number, factor: number): number {
  let sum = 0;
  for (let i = 0; i < norms.length; i++) {
    let along = 0;
    for (let k = i * width; k < (i + 1) * width; k++) along += (rows[k] as number) * (gradients[k] as number);
    sum += along * factor;
    const norm = norms[i] as number;
    const scale = norm > 0 ? factor / norm : 0;
    for (let k = i * width; k < (i + 1) * width; k++) gradients[k] = ((gradients[k] as number) - (rows[k] as number) * along) * scale;
  }
  return sum;
}

/** x_i · y_j */
export function dotRows(x: Float32Array, i: number, y: Float32Array, j: number, width: number): number {
  let sum = 0;
  for (let k = 0; k < width; k++) sum += (x[i * width + k] as number) * (y[j * width + k] as number);
  return sum;
}

/** y_j += factor · x_i */
export function addRow(y: Float32Array, j: number, x: Float32Array, i: number, width: number, factor: number): void {
  for (let k = 0; k < width; k++) y[j * width + k] = (y[j * width + k] as number) + factor * (x[i * width + k] as number);
}
