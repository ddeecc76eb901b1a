import type { PatchGrid } from "./projector-family.js";
import { ProjectorError } from "./projector-error.js";

/** What becomes of the projected patches of tiles that lie in a grid, all tiles together seen as one large grid. */
export interface AnyresRows {
  /** Tiles. */
  readonly tiles: PatchGrid;
  /** Patches along a side of a tile. */
  readonly side: number;
  /** Patches that show the picture; those around it show what it was padded with, and are dropped. */
  readonly crop: PatchGrid & { readonly top: number; readonly left: number };
  /** Rows and columns that the crop is shrunk to; those of the crop when there are few enough. */
  readonly shrunk: PatchGrid;
  /** N: the overview's patches, then `shrunk` with a newline at the end of each row. */
  readonly rows: number;
}

/** A crop that has this much more area than allowed, as a ratio of sides, is shrunk. */
const shrinkAbove = 1.1;

/**
 * How LLaVA-OneVision lays out a picture of several tiles: padding is cut off, more than `maxTiles` tiles' worth of patches
 * is shrunk to that, each row ends with a newline (Li et al. 2024; transformers `pack_image_features`, which llama.cpp
 * does not follow).
 * @param image pixels, before any resizing
 * @param tiles what the picture was cut into
 * @param side patches along a side of a tile
 * @param maxTiles 9 for `anyres_max_9`
 */
export function anyresRows(image: { readonly width: number; readonly height: number }, tiles: PatchGrid, side: number, maxTiles: number): AnyresRows {
  const rows = tiles.rows * side;
  const columns = tiles.columns * side;
  let [top, left] = [0, 0];
  // Rounded to 7 digits first, so that a product that should be whole is not cut to the number below.
  const shown = (length: number, scale: number): number => Math.trunc(Number((length * scale).toFixed(7)));
  if (image.width / image.height > columns / rows) top = Math.floor((rows - shown(image.height, columns / image.width)) / 2);
  else left = Math.floor((columns - shown(image.width, rows / image.height)) / 2);
  const crop = { top, left, rows: rows - 2 * top, columns: columns - 2 * left };
  const ratio = Math.sqrt((crop.rows * crop.columns) / (maxTiles * side ** 2));
  const shrunk = ratio > shrinkAbove ? { rows: wholeTimes(crop.rows, ratio), columns: wholeTimes(crop.columns, ratio) } : { rows: crop.rows, columns: crop.columns };
  return { tiles, side, crop, shrunk, rows: side ** 2 + shrunk.rows * (shrunk.columns + 1) };
}

/** How often `divisor` goes into `value`: by the remainder, which is exact, as Python's // has it. */
function wholeTimes(value: number, divisor: number): number {
  return Math.round((value - (value % divisor)) / divisor);
}

/**
 * Joins the projected patches of an overview and its tiles to the rows that the decoder reads.
 * @param views float32[1 + tiles, side · side, W]: the overview, then the tiles row by row
 * @param newline float32[W]
 * @returns float32[N, W]
 * @throws ProjectorError when `views` does not hold that many rows
 */
export function packAnyresRows(views: Float32Array, { tiles, side, crop, shrunk, rows }: AnyresRows, newline: Float32Array): Float32Array {
  const width = newline.length;
  const perView = side * side;
  const count = (1 + tiles.rows * tiles.columns) * perView;
  if (views.length !== count * width) {
    throw new ProjectorError(`packAnyresRows: expected ${count} rows of ${width} for ${tiles.rows}x${tiles.columns} tiles and an overview, got ${views.length} values`);
  }
  const packed = new Float32Array(rows * width);
  packed.set(views.subarray(0, perView * width));
  /** Where the patch of the crop starts in `views`. */
  const patchAt = (row: number, column: number): number => {
    const [y, x] = [crop.top + row, crop.left + column];
    const tile = 1 + Math.floor(y / side) * tiles.columns + Math.floor(x / side);
    return (tile * perView + (y % side) * side + (x % side)) * width;
  };
  const vertical = linearTaps(crop.rows, shrunk.rows);
  const horizontal = linearTaps(crop.columns, shrunk.columns);
  let at = perView * width;
  for (const y of vertical) {
    for (const x of horizontal) {
      const [topLeft, topRight, bottomLeft, bottomRight] = [patchAt(y.from, x.from), patchAt(y.from, x.to), patchAt(y.to, x.from), patchAt(y.to, x.to)];
      for (let i = 0; i < width; i++) {
        const top = views[topLeft + i]! * (1 - x.share) + views[topRight + i]! * x.share;
        const bottom = views[bottomLeft + i]! * (1 - x.share) + views[bottomRight + i]! * x.share;
        packed[at + i] = top * (1 - y.share) + bottom * y.share;
      }
      at += width;
    }
    packed.set(newline, at);
    at += width;
  }
  return packed;
}

/** The two entries that each place of a shrunk axis lies between, and the share of the second; pixels have their middles at halves. */
function linearTaps(length: number, shrunk: number): readonly { readonly from: number; readonly to: number; readonly share: number }[] {
  const stretch = length / shrunk;
  return Array.from({ length: shrunk }, (_, i) => {
    const place = Math.max(0, (i + 0.5) * stretch - 0.5);
    const from = Math.min(Math.floor(place), length - 1);
    return { from, to: Math.min(from + 1, length - 1), share: place - from };
  });
}
