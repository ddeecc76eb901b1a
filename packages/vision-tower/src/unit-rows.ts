/**
 * Rows scaled to length 1, in a new array; a row of zeros stays.
 * @param rows float32[n, width]
 * @param caller and `which`, for the error
 * @throws RangeError when it is not whole rows
 */
export function unitRows(rows: Float32Array, width: number, caller: string = "unitRows", which: string = "rows"): Float32Array {
  if (rows.length % width !== 0) throw new RangeError(`${caller}: expected ${which} to be rows of ${width} values, got ${rows.length} values`);
  const result = new Float32Array(rows.length);
  for (let start = 0; start < rows.length; start += width) {
    let squares = 0;
    for (let d = 0; d < width; d++) squares += (rows[start + d] as number) ** 2;
    const factor = 1 / Math.max(Math.sqrt(squares), 1e-12);
    for (let d = 0; d < width; d++) result[start + d] = (rows[start + d] as number) * factor;
  }
  return result;
}
