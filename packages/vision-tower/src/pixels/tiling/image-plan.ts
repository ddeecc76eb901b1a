import type { ResampleFilter } from "../resample-filter.js";

/** Pixels. */
export interface Size {
  readonly width: number;
  readonly height: number;
}

/** One step from a picture to what a tower is shown. */
export type PixelStep =
  | ({
      readonly type: "resize";
      readonly filter: ResampleFilter;
      /** The width before the height, whatever Pillow would do (pass-order.ts): llama.cpp's way. */
      readonly widthFirst?: true;
    } & Size)
  | ({ readonly type: "crop"; readonly left: number; readonly top: number } & Size)
  /** The picture on a canvas of one colour (0 to 255 each), its corner at `left` and `top`. */
  | ({ readonly type: "pad"; readonly left: number; readonly top: number; readonly color: readonly [number, number, number] } & Size);

/** The steps that make one input of the tower out of the picture. */
export type ImageView = readonly PixelStep[];

/** What stands in the prompt for a picture, in order. */
export type LayoutPart =
  /** To be tokenised with special tokens. */
  | { readonly type: "text"; readonly text: string }
  /** The rows that the projector makes of a view. */
  | { readonly type: "view"; readonly view: number }
  /** An overview and the tiles after it, joined with newlines (`anyresRows` of @sightline/projector). */
  | { readonly type: "anyres"; readonly overview: number; readonly rows: number; readonly columns: number }
  /** A view whose rows are followed by the newline. */
  | { readonly type: "view-newline"; readonly view: number };

/** How a picture is shown to a model: what the tower is given, and what the decoder reads of it. */
export interface ImagePlan {
  readonly views: readonly ImageView[];
  readonly layout: readonly LayoutPart[];
}

/** Whose way of preparing pixels: transformers', which models were trained with, or llama.cpp's, where that differs. */
export type PreprocessingStyle = "huggingface" | "llama.cpp";

/** Throws RangeError unless both sides are whole and at least 1. */
export function checkSize(caller: string, { width, height }: Size): void {
  if (![width, height].every((side) => Number.isInteger(side) && side >= 1)) {
    throw new RangeError(`${caller}: expected a picture of whole pixels, at least 1x1, got ${width}x${height}`);
  }
}

/** The tiles of a picture that was resized to whole tiles, row by row. */
export function tileViews(before: ImageView, rows: number, columns: number, tile: Size): ImageView[] {
  return Array.from({ length: rows * columns }, (_, i) => [
    ...before,
    { type: "crop", left: (i % columns) * tile.width, top: Math.floor(i / columns) * tile.height, ...tile },
  ]);
}

/** To a size, as Pillow does or as llama.cpp does: they round to 8 bits between the passes, and may begin with another side. */
export function resizeStep({ width, height }: Size, filter: ResampleFilter, preprocessing: PreprocessingStyle): PixelStep {
  return { type: "resize", width, height, filter, ...(preprocessing === "llama.cpp" ? { widthFirst: true } : {}) };
}

export function text(value: string): LayoutPart {
  return { type: "text", text: value };
}
