import { checkSize, resizeStep, text, tileViews, type ImagePlan, type ImageView, type LayoutPart, type PreprocessingStyle, type Size } from "./image-plan.js";
import { letterbox } from "./letterbox.js";
import { roundHalfEven } from "./round-half-even.js";
import { llamaSmartSize, smartSize } from "./smart-resize.js";

/** The defaults are those of the published checkpoints. */
export interface Lfm2Plan {
  /** Side of a patch, pixels. 16 when left out. */
  readonly patchSize?: number;
  /** Patches along a side that become one token. 2 when left out. */
  readonly factor?: number;
  /** Tokens that a picture in one piece has. 64 and 256 when left out. */
  readonly minTokens?: number;
  readonly maxTokens?: number;
  /** Side of a tile, pixels. 512 when left out. */
  readonly tile?: number;
  /** 2 and 10 when left out. */
  readonly minTiles?: number;
  readonly maxTiles?: number;
  /** How many times `maxTokens` a picture may have before it is cut into tiles. 2 when left out. */
  readonly tolerance?: number;
  /** Whether it is cut into tiles at all; true when left out. */
  readonly tiling?: boolean;
  /** Whether a picture in tiles is shown whole as well; true when left out. */
  readonly thumbnail?: boolean;
  readonly preprocessing?: PreprocessingStyle;
}

/**
 * LFM2-VL: a picture near its own shape and size, or, when it is large, tiles in the grid whose shape is nearest, then
 * the whole picture small (transformers Lfm2VlImageProcessor and Lfm2VlProcessor). The tower takes any size (NaFlex).
 * llama.cpp rounds halves up where Python rounds them to even, in float32, and cuts tiles of the picture on black, its
 * shape kept.
 * @throws RangeError for a picture without pixels
 */
export function lfm2Plan(image: Size, options: Lfm2Plan = {}): ImagePlan {
  checkSize("lfm2Plan", image);
  const { patchSize = 16, factor = 2, minTokens = 64, maxTokens = 256, tile = 512, minTiles = 2, maxTiles = 10, tolerance = 2, tiling = true, thumbnail = true, preprocessing = "huggingface" } = options;
  const unit = patchSize * factor;
  const pixels = { min: minTokens * unit ** 2, max: maxTokens * unit ** 2 };
  const fitted = preprocessing === "llama.cpp" ? llamaSmartSize(image, unit, pixels) : smartSize(image, unit, pixels, unit);
  const whole: ImageView = [resizeStep(fitted, "bilinear", preprocessing)];
  const rounded = (length: number): number => Math.max(patchSize, roundHalfEven(length / unit) * unit);
  const large = rounded(image.width) * rounded(image.height) > pixels.max * tolerance;
  if (!tiling || !large || (minTiles === 1 && maxTiles === 1)) {
    return { views: [whole], layout: [text("<|image_start|>"), { type: "view", view: 0 }, text("<|image_end|>")] };
  }
  const { rows, columns } = nearestGrid(image, tile, minTiles, maxTiles);
  const frame = { width: columns * tile, height: rows * tile };
  const resized: ImageView = preprocessing === "llama.cpp" ? letterbox(image, frame, "bilinear", [0, 0, 0]) : [resizeStep(frame, "bilinear", preprocessing)];
  const shown = thumbnail && rows * columns > 1;
  const tiles = Array.from({ length: rows * columns }, (_, view): LayoutPart[] => [
    ...(rows * columns > 1 ? [text(`<|img_row_${Math.floor(view / columns) + 1}_col_${(view % columns) + 1}|>`)] : []),
    { type: "view", view },
  ]).flat();
  return {
    views: [...tileViews(resized, rows, columns, { width: tile, height: tile }), ...(shown ? [whole] : [])],
    layout: [text("<|image_start|>"), ...tiles, ...(shown ? [text("<|img_thumbnail|>"), { type: "view", view: rows * columns } as const] : []), text("<|image_end|>")],
  };
}

/** The grid whose columns over rows are nearest to the picture's shape; of equals, the larger while the picture fills half of it. */
function nearestGrid({ width, height }: Size, tile: number, minTiles: number, maxTiles: number): { rows: number; columns: number } {
  let best = { rows: 1, columns: 1 };
  let nearest = Infinity;
  for (let count = minTiles; count <= maxTiles; count++) {
    for (let columns = 1; columns <= count; columns++) {
      if (count % columns !== 0) continue;
      const rows = count / columns;
      const distance = Math.abs(width / height - columns / rows);
      if (distance < nearest || (distance === nearest && width * height > 0.5 * tile * tile * count)) best = { rows, columns };
      nearest = Math.min(nearest, distance);
    }
  }
  return best;
}
