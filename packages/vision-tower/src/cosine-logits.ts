/**
 * scale · cos(x_i, y_j) + bias for every pair of rows: float32[rows of x, rows of y]. SigLIP's logits
 * (Zhai et al. 2023, algorithm 1), whose sigmoid is the probability that text j is true of image i.
 * @param x float32[n, D]
 * @param y float32[m, D]
 * @param width D
 * @throws RangeError when one of them is not whole rows
 */
export function cosineLogits(x: Float32Array, y: Float32Array, width: number, { scale, bias }: { readonly scale: number; readonly bias: number }): Float32Array {
  const rows = unitRows(x, width, "x");
  const columns = unitRows(y, width, "y");
  const logits = new Float32Array((x.length / width) * (y.length / width));
  let at = 0;
  for (let i = 0; i < x.length; i += width) {
    for (let j = 0; j < y.length; j += width) {
      let cosine = 0;
      for (let d = 0; d < width; d++) cosine += (rows[i + d] as number) * (columns[j + d] as number);
      logits[at++] = scale * cosine + bias;
    }
  }
  return logits;
}

/** Rows scaled to length 1; a row of zeros stays. */
function unitRows(rows: Float32Array, width: number, which: string): Float32Array {
  if (rows.length % width !== 0) throw new RangeError(`cosineLogits: expected ${which} to be rows of ${width} values, got ${rows.length} values`);
  const result = new Float32Array(rows.length);
  for (let start = 0; start < rows.length; start += width) {
    let squares = 0;
    for (let d = 0; d < width; d++) squares += (rows[start + d] as number) ** 2;
    const factor = 1 / Math.max(Math.sqrt(squares), 1e-12);
    for (let d = 0; d < width; d++) result[start + d] = (rows[start + d] as number) * factor;
  }
  return result;
}
