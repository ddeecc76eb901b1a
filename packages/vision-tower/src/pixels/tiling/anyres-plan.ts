import type { ResampleFilter } from "../resample-filter.js";
import { checkSize, resizeStep, tileViews, type ImagePlan, type ImageView, type LayoutPart, type PreprocessingStyle, type Size } from "./image-plan.js";
import { letterbox } from "./letterbox.js";

/** Settings of `anyresPlan`, LLaVA-OneVision's way with pictures. */
export interface AnyresPlan {
  /** Side of a tile, the tower's square, pixels: 384. */
  readonly side: number;
  /** The sizes that a picture may be cut into (`image_grid_pinpoints`, there as [height, width]); each whole tiles. */
  readonly sizes: readonly Size[];
  /** "bicubic" when left out. */
  readonly filter?: ResampleFilter;
  /** Whether it is cut into tiles at all; transformers does so for a picture that is alone in its prompt. True when left out. */
  readonly tiling?: boolean;
  /** What an untiled picture is made square with, 0 to 255: `image_mean` times 255, cut to whole numbers. */
  readonly background?: readonly [number, number, number];
  readonly preprocessing?: PreprocessingStyle;
}

/**
 * LLaVA-OneVision: the picture squashed to one tile, then the tiles of the size that fits it best, its shape kept on
 * black (Liu et al. 2024, "anyres"; transformers LlavaOnevisionImageProcessor). An untiled picture is made square first.
 * llama.cpp cuts no tiles of a picture that fits into one, reads the overview last, and joins rows without newlines.
 * @throws RangeError for a picture without pixels, or where `sizes` has none that it fits
 */
export function anyresPlan(image: Size, { side, sizes, filter = "bicubic", tiling = true, background = [127, 127, 127], preprocessing = "huggingface" }: AnyresPlan): ImagePlan {
  checkSize("anyresPlan", image);
  const squash: ImageView = [resizeStep({ width: side, height: side }, filter, preprocessing)];
  const ours = preprocessing === "huggingface";
  if (!tiling && ours) return { views: [[...squarePad(image, background), ...squash]], layout: [{ type: "view-newline", view: 0 }] };
  if (!tiling || (!ours && image.width <= side && image.height <= side)) return { views: [squash], layout: [{ type: "view", view: 0 }] };
  const best = bestSize(image, sizes, ours ? (value) => value : Math.fround);
  const fitted = ours ? fit(image, best, filter) : letterbox(image, best, filter, [0, 0, 0]);
  const [rows, columns] = [best.height / side, best.width / side];
  const tiles = Array.from({ length: rows * columns }, (_, i): LayoutPart => ({ type: "view", view: 1 + i }));
  return {
    views: [squash, ...tileViews(fitted, rows, columns, { width: side, height: side })],
    layout: ours ? [{ type: "anyres", overview: 0, rows, columns }] : [...tiles, { type: "view", view: 0 }],
  };
}

/** The size that keeps most of the picture's pixels and, of those, wastes least; the first of equals. */
function bestSize({ width, height }: Size, sizes: readonly Size[], number: (value: number) => number): Size {
  let best: Size | undefined;
  let kept = 0;
  let wasted = Infinity;
  for (const size of sizes) {
    const scale = number(Math.min(size.width / width, size.height / height));
    const effective = Math.min(Math.trunc(number(width * scale)) * Math.trunc(number(height * scale)), width * height);
    const waste = size.width * size.height - effective;
    if (effective > kept || (effective === kept && waste < wasted)) {
      best = size;
      kept = effective;
      wasted = waste;
    }
  }
  if (!best) throw new RangeError(`anyresPlan: expected sizes that ${width}x${height} fits into, got ${sizes.map((size) => `${size.width}x${size.height}`).join(", ") || "none"}`);
  return best;
}

/** The picture in the middle of a frame on black, in the arithmetic of transformers' `get_patch_output_size`. */
function fit({ width, height }: Size, frame: Size, filter: ResampleFilter): ImageView {
  const [across, down] = [frame.width / width, frame.height / height];
  const size = across < down
    ? { width: frame.width, height: Math.min(Math.ceil(height * across), frame.height) }
    : { width: Math.min(Math.ceil(width * down), frame.width), height: frame.height };
  return [
    { type: "resize", ...size, filter },
    { type: "pad", ...frame, left: Math.floor((frame.width - size.width) / 2), top: Math.floor((frame.height - size.height) / 2), color: [0, 0, 0] },
  ];
}

function squarePad({ width, height }: Size, color: readonly [number, number, number]): ImageView {
  if (width === height) return [];
  const side = Math.max(width, height);
  return [{ type: "pad", width: side, height: side, left: Math.floor((side - width) / 2), top: Math.floor((side - height) / 2), color }];
}
