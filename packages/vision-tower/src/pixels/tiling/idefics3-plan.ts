import { checkSize, resizeStep, text, tileViews, type ImagePlan, type ImageView, type LayoutPart, type PreprocessingStyle, type Size } from "./image-plan.js";

/** Settings of `idefics3Plan`. */
export interface Idefics3Plan {
  /** Side of a tile, the tower's square, pixels: 364, 384 or 512 (`max_image_size.longest_edge`). */
  readonly side: number;
  /** What the longer side of a picture is resized to, pixels: 1456 or 2048 (`size.longest_edge`). */
  readonly longestEdge: number;
  /** Whether it is cut into tiles at all; true when left out. */
  readonly tiling?: boolean;
  readonly preprocessing?: PreprocessingStyle;
}

/** Wider or higher than this no picture becomes on the way. */
const maxSide = 4096;
const around = "<fake_token_around_image>";

/**
 * Idefics3, SmolVLM, granite-docling: the longer side to `longestEdge`, both to whole tiles, the tiles row by row, then
 * the whole picture in one tile (transformers Idefics3ImageProcessor and Idefics3Processor). A picture of one tile is
 * shown once; llama.cpp shows it as a tile and as an overview, and knows no `maxSide`.
 * @throws RangeError for a picture without pixels
 */
export function idefics3Plan(image: Size, { side, longestEdge, tiling = true, preprocessing = "huggingface" }: Idefics3Plan): ImagePlan {
  checkSize("idefics3Plan", image);
  const first = longestSide(image, longestEdge, preprocessing);
  const resize = (size: Size): ImageView[number] => resizeStep(size, "lanczos", preprocessing);
  const square = resize({ width: side, height: side });
  const resized: ImageView = [resize(first)];
  if (!tiling) return single([...resized, square]);
  const { rows, columns } = tilesOf(first, side, preprocessing);
  const whole: ImageView = [...resized, resize({ width: columns * side, height: rows * side })];
  if (rows === 1 && columns === 1 && preprocessing === "huggingface") return single(whole);
  const layout = Array.from({ length: rows }, (_, row): LayoutPart[] => [
    ...Array.from({ length: columns }, (__, column): LayoutPart[] => [
      text(`${row > 0 && column === 0 ? "\n" : ""}${around}<row_${row + 1}_col_${column + 1}>`),
      { type: "view", view: row * columns + column },
    ]).flat(),
  ]).flat();
  return {
    views: [...tileViews(whole, rows, columns, { width: side, height: side }), [...whole, square]],
    layout: [...layout, text(`\n\n${around}<global-img>`), { type: "view", view: rows * columns }, text(around)],
  };
}

function single(view: ImageView): ImagePlan {
  return { views: [view], layout: [text(`${around}<global-img>`), { type: "view", view: 0 }, text(around)] };
}

/** The longer side set, the shorter one after it, cut down to whole pixels and up to even ones. */
function longestSide({ width, height }: Size, longest: number, preprocessing: PreprocessingStyle): Size {
  const ratio = width / height;
  const even = (value: number): number => Math.trunc(value) + (Math.trunc(value) % 2);
  const size = width >= height ? { width: longest, height: Math.max(1, even(longest / ratio)) } : { width: Math.max(1, even(longest * ratio)), height: longest };
  if (preprocessing === "llama.cpp" || longest <= maxSide) return size;
  const cut = size.width / size.height;
  return width >= height ? { width: maxSide, height: Math.max(1, Math.trunc(maxSide / cut)) } : { width: Math.max(1, Math.trunc(maxSide * cut)), height: maxSide };
}

/** transformers takes the shorter side anew from the longer one, once that is whole tiles; llama.cpp rounds each side up. */
function tilesOf({ width, height }: Size, side: number, preprocessing: PreprocessingStyle): { rows: number; columns: number } {
  const tiles = (length: number): number => Math.ceil(length / side);
  if (preprocessing === "llama.cpp") return { rows: tiles(height), columns: tiles(width) };
  const ratio = width / height;
  if (width >= height) return { columns: tiles(width), rows: tiles(Math.trunc((tiles(width) * side) / ratio)) };
  return { rows: tiles(height), columns: tiles(Math.trunc(tiles(height) * side * ratio)) };
}
