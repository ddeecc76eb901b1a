import type { PatchGrid } from "../checkpoint.js";

interface Taps {
  /** Four cells for each pixel; cells beyond the edge are the edge's. */
  readonly cells: Int32Array;
  /** Their weights. */
  readonly weights: Float64Array;
}

/**
 * A grid of values as a smooth picture: each value stands in the middle of its cell, Catmull-Rom between them, and no
 * value beyond the grid's own (a curve through a peak would overshoot it).
 * @param values float32[rows · columns]
 * @returns float32[height · width]
 */
export function upsampleGrid(values: Float32Array, { rows, columns }: PatchGrid, width: number, height: number): Float32Array {
  const [across, down] = [tapsOf(columns, width), tapsOf(rows, height)];
  const wide = new Float32Array(rows * width);
  for (let row = 0; row < rows; row++) {
    for (let x = 0; x < width; x++) {
      let sum = 0;
      for (let tap = x * 4; tap < x * 4 + 4; tap++) sum += (across.weights[tap] as number) * (values[row * columns + (across.cells[tap] as number)] as number);
      wide[row * width + x] = sum;
    }
  }
  const [low, high] = extremes(values);
  const picture = new Float32Array(height * width);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      let sum = 0;
      for (let tap = y * 4; tap < y * 4 + 4; tap++) sum += (down.weights[tap] as number) * (wide[(down.cells[tap] as number) * width + x] as number);
      picture[y * width + x] = Math.min(high, Math.max(low, sum));
    }
  }
  return picture;
}

/** The least and the greatest of some values. */
export function extremes(values: Float32Array): [low: number, high: number] {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return [low, high];
}

function tapsOf(cells: number, pixels: number): Taps {
  const taps: Taps = { cells: new Int32Array(pixels * 4), weights: new Float64Array(pixels * 4) };
  for (let pixel = 0; pixel < pixels; pixel++) {
    const place = ((pixel + 0.5) / pixels) * cells - 0.5;
    const first = Math.floor(place);
    const t = place - first;
    const weights = [((2 - t) * t - 1) * t, (3 * t - 5) * t * t + 2, ((4 - 3 * t) * t + 1) * t, (t - 1) * t * t];
    weights.forEach((weight, i) => {
      taps.cells[pixel * 4 + i] = Math.min(cells - 1, Math.max(0, first - 1 + i));
      taps.weights[pixel * 4 + i] = weight / 2;
    });
  }
  return taps;
}
