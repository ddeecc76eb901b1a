import type { PatchGrid } from "../checkpoint.js";

/**
 * How a table of positions takes another size, named as torch's `F.interpolate` does it: with `align_corners=False`
 * cubic convolution of four neighbours with a = -0.75, or a filter (a triangle, or cubic with a = -0.5) that widens
 * where the grid shrinks; with `align_corners=True` a mix of the two neighbours, outermost places on outermost places.
 */
export type PositionInterpolation = "bicubic" | "bilinear-antialias" | "bicubic-antialias" | "bilinear-align-corners";

/**
 * A table of learned positions, laid over another grid as torch's `F.interpolate` would: columns first, then rows.
 * @param table float32[from.rows · from.columns, D], row by row
 * @param width D
 * @param scale torch's `scale_factor` of each axis, for models that give one which is not exactly to / from
 * @returns float32[to.rows · to.columns, D]; `table` itself where the grids are equal and no scale is given
 * @throws RangeError when the table does not fit its grid, or a side is no positive integer
 */
export function interpolatePositions(
  table: Float32Array,
  from: PatchGrid,
  to: PatchGrid,
  width: number,
  method: PositionInterpolation,
  scale?: { readonly rows: number; readonly columns: number },
): Float32Array {
  for (const side of [from.rows, from.columns, to.rows, to.columns]) {
    if (!Number.isInteger(side) || side < 1) throw new RangeError(`interpolatePositions: expected sides of at least 1, got ${shown(from)} to ${shown(to)}`);
  }
  if (table.length !== from.rows * from.columns * width) {
    throw new RangeError(`interpolatePositions: expected ${shown(from)} positions of ${width} values, got ${table.length} values`);
  }
  if (!scale && from.rows === to.rows && from.columns === to.columns) return table;
  const across = axisTaps(from.columns, to.columns, method, scale?.columns);
  const down = axisTaps(from.rows, to.rows, method, scale?.rows);
  const widened = along(table, from.rows, from.columns, width, across);
  // A whole row of the widened table is one long vector, of which the second pass mixes several.
  return along(widened, 1, from.rows, to.columns * width, down);
}

/** For each place along the new axis: the places of the old one that it is mixed from, and their shares. */
type AxisTaps = readonly (readonly { readonly place: number; readonly weight: number }[])[];

function axisTaps(from: number, to: number, method: PositionInterpolation, scale: number | undefined): AxisTaps {
  if (method === "bilinear-align-corners") return Array.from({ length: to }, (_, i) => alignedTaps(i, from, to));
  // torch keeps step and place in float32 too.
  const step = Math.fround(scale === undefined ? from / to : 1 / scale);
  const taps = method === "bicubic" ? cubicTaps : antialiasTaps;
  return Array.from({ length: to }, (_, i) => taps(i, step, from, method));
}

function cubicTaps(i: number, step: number, from: number): AxisTaps[number] {
  const place = Math.fround(Math.fround(step * (i + 0.5)) - 0.5);
  const floor = Math.floor(place);
  // Beyond an edge the outermost position stands for all.
  return [-1, 0, 1, 2].map((k) => ({
    place: Math.min(Math.max(floor + k, 0), from - 1),
    weight: cubic(place - (floor + k), -0.75),
  }));
}

function alignedTaps(i: number, from: number, to: number): AxisTaps[number] {
  const place = Math.fround((i * (from - 1)) / Math.max(to - 1, 1));
  const floor = Math.floor(place);
  const next = Math.min(floor + 1, from - 1);
  return [{ place: floor, weight: floor + 1 - place }, { place: next, weight: place - floor }];
}

function antialiasTaps(i: number, step: number, from: number, method: PositionInterpolation): AxisTaps[number] {
  const stretch = Math.max(step, 1);
  const support = (method === "bicubic-antialias" ? 2 : 1) * stretch;
  const center = step * (i + 0.5);
  const first = Math.max(Math.trunc(center - support + 0.5), 0);
  const end = Math.min(Math.trunc(center + support + 0.5), from);
  const places = Array.from({ length: end - first }, (_, k) => first + k);
  const weights = places.map((place) => {
    const distance = (place - center + 0.5) / stretch;
    return method === "bicubic-antialias" ? cubic(distance, -0.5) : Math.max(0, 1 - Math.abs(distance));
  });
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return places.map((place, k) => ({ place, weight: (weights[k] as number) / sum }));
}

/** Keys 1981, "Cubic convolution interpolation for digital image processing". */
function cubic(distance: number, a: number): number {
  const x = Math.abs(distance);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return ((x - 5) * x + 8) * x * a - 4 * a;
  return 0;
}

/** float32[outer, from, inner] to float32[outer, taps.length, inner]. */
function along(values: Float32Array, outer: number, from: number, inner: number, taps: AxisTaps): Float32Array {
  const out = new Float32Array(outer * taps.length * inner);
  for (let o = 0; o < outer; o++) {
    taps.forEach((mix, i) => {
      const at = (o * taps.length + i) * inner;
      for (const { place, weight } of mix) {
        const source = (o * from + place) * inner;
        for (let d = 0; d < inner; d++) out[at + d] = (out[at + d] as number) + weight * (values[source + d] as number);
      }
    });
  }
  return out;
}

function shown({ rows, columns }: PatchGrid): string {
  return `${rows}x${columns}`;
}
