import { checkSize, resizeStep, text, tileViews, type ImagePlan, type ImageView, type LayoutPart, type PreprocessingStyle, type Size } from "./image-plan.js";
import { letterbox } from "./letterbox.js";
import { roundHalfEven } from "./round-half-even.js";

/** The defaults are those of MiniCPM-V 2.6. */
export interface MinicpmPlan {
  /** Side of a square with as many pixels as a slice has, about. 448 when left out. */
  readonly side?: number;
  /** 14 when left out. */
  readonly patchSize?: number;
  /** 9 when left out. */
  readonly maxSlices?: number;
  /** Whether it is cut into slices at all; true when left out. */
  readonly tiling?: boolean;
  /** The picture's number in the prompt, which stands before it; llama.cpp writes none. */
  readonly imageId?: number;
  readonly preprocessing?: PreprocessingStyle;
}

/**
 * MiniCPM-V 2.6: the picture small, its shape kept, then slices of it in the grid whose shape is nearest (Guo et al. 2024,
 * LLaVA-UHD, 3.1; the model's own image_processing_minicpmv.py). llama.cpp slices only what is wider or higher than
 * `side`, squashes the others to a square, rounds in float32, and cuts slices of the picture on black, its shape kept.
 * @throws RangeError for a picture without pixels
 */
export function minicpmPlan(image: Size, { side = 448, patchSize = 14, maxSlices = 9, tiling = true, imageId, preprocessing = "huggingface" }: MinicpmPlan = {}): ImagePlan {
  checkSize("minicpmPlan", image);
  const ours = preprocessing === "huggingface";
  const arithmetic = ours ? python : float32;
  const grid = tiling ? (ours ? slicesOf(image, side, maxSlices, arithmetic) : llamaSlicesOf(image, side, maxSlices)) : undefined;
  const resize = (size: Size): ImageView => [resizeStep(size, "bicubic", preprocessing)];
  const square = !ours && image.width <= side && image.height <= side;
  const overview = resize(square ? { width: side, height: side } : bestFit(image, side, patchSize, ours && !grid, arithmetic));
  const opening = text(`${ours && imageId !== undefined ? `<image_id>${imageId}</image_id>` : ""}<image>`);
  if (!grid) return { views: [overview], layout: [opening, { type: "view", view: 0 }, text("</image>")] };
  const { rows, columns } = grid;
  const cell = { width: divisible(image.width, columns, arithmetic) / columns, height: divisible(image.height, rows, arithmetic) / rows };
  const slice = bestFit(cell, side, patchSize, true, arithmetic);
  const frame = { width: slice.width * columns, height: slice.height * rows };
  const whole = ours ? resize(frame) : letterbox(image, frame, "bicubic", [0, 0, 0]);
  const slices = Array.from({ length: rows * columns }, (_, i): LayoutPart[] => [
    text(`${i === 0 ? "</image>" : i % columns === 0 ? "</slice>\n" : "</slice>"}<slice>`),
    { type: "view", view: i + 1 },
  ]).flat();
  return {
    views: [overview, ...tileViews(whole, rows, columns, slice)],
    layout: [opening, { type: "view", view: 0 }, ...slices, text("</slice>")],
  };
}

/** In what numbers a size is worked out: results differ at the edges. */
interface Arithmetic {
  readonly number: (value: number) => number;
  readonly round: (value: number) => number;
}

/** Halves to the even neighbour. */
const python: Arithmetic = { number: (value) => value, round: roundHalfEven };
/** Halves away from zero. */
const float32: Arithmetic = { number: Math.fround, round: Math.round };

interface Grid {
  readonly rows: number;
  readonly columns: number;
}

/** `undefined` for a picture that is not larger than one slice. */
function slicesOf(image: Size, side: number, maxSlices: number, arithmetic: Arithmetic): Grid | undefined {
  const wanted = Math.min(Math.ceil((image.width * image.height) / (side * side)), maxSlices);
  return wanted <= 1 ? undefined : nearestGrid(wanted, maxSlices, Math.log(image.width / image.height), arithmetic);
}

function llamaSlicesOf(image: Size, side: number, maxSlices: number): Grid | undefined {
  if (image.width <= side && image.height <= side) return undefined;
  const f = Math.fround;
  const wanted = Math.min(Math.ceil(f(f(f(image.width) * image.height) / (side * side))), maxSlices);
  return nearestGrid(wanted, maxSlices, f(Math.log(f(image.width / image.height))), float32);
}

/** Of the grids of one slice fewer, as many as wanted and one more, the one nearest in shape; the first of equals. */
function nearestGrid(wanted: number, maxSlices: number, logRatio: number, arithmetic: Arithmetic): Grid {
  let best: Grid = { rows: 1, columns: 1 };
  let nearest = Infinity;
  for (const count of [wanted - 1, wanted, wanted + 1]) {
    if (count === 1 || count > maxSlices) continue;
    for (let columns = 1; columns <= count; columns++) {
      if (count % columns !== 0) continue;
      const rows = count / columns;
      const distance = arithmetic.number(Math.abs(logRatio - Math.log(columns / rows)));
      if (distance < nearest) {
        nearest = distance;
        best = { rows, columns };
      }
    }
  }
  return best;
}

/** As many pixels as the square has, the shape kept, both sides whole patches. */
function bestFit({ width, height }: Size, side: number, patchSize: number, enlarge: boolean, arithmetic: Arithmetic): Size {
  let size = { width, height };
  if (width * height > side * side || enlarge) {
    const ratio = arithmetic.number(width / height);
    const high = Math.trunc(arithmetic.number(side / arithmetic.number(Math.sqrt(ratio))));
    size = { width: Math.trunc(arithmetic.number(high * ratio)), height: high };
  }
  return { width: divisible(size.width, patchSize, arithmetic), height: divisible(size.height, patchSize, arithmetic) };
}

/** The multiple nearest to `length`, at least one. */
function divisible(length: number, by: number, { number, round }: Arithmetic): number {
  return Math.max(round(number(length / by)) * by, by);
}
