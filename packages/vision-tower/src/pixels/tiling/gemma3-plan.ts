import { checkSize, text, type ImagePlan, type ImageView, type LayoutPart, type PreprocessingStyle, type Size } from "./image-plan.js";
import { letterbox } from "./letterbox.js";

/** When and how far a picture is looked at in parts as well; the defaults are those of the published checkpoints. */
export interface PanAndScan {
  /** Pixels; no crop may be narrower or lower. 256 when left out. */
  readonly minCrop?: number;
  /** 4 when left out. */
  readonly maxCrops?: number;
  /** The longer side over the shorter from which on there are crops. 1.2 when left out. */
  readonly minRatio?: number;
}

/** Settings of `gemma3Plan`. */
export interface Gemma3Plan {
  /** Side of the tower's square, pixels: 896. */
  readonly side: number;
  /** Crops beside the whole picture; none when left out, as in transformers. */
  readonly panAndScan?: PanAndScan;
  readonly preprocessing?: PreprocessingStyle;
}

/**
 * Gemma 3: the whole picture squashed to the tower's square, then, with pan and scan, its crops likewise, each between
 * its own tokens (transformers Gemma3ImageProcessor and Gemma3Processor). llama.cpp keeps the picture's shape on black,
 * and knows no pan and scan.
 * @throws RangeError for a picture without pixels
 */
export function gemma3Plan(image: Size, { side, panAndScan, preprocessing = "huggingface" }: Gemma3Plan): ImagePlan {
  checkSize("gemma3Plan", image);
  if (preprocessing === "llama.cpp") {
    return {
      views: [letterbox(image, { width: side, height: side }, "bilinear", [0, 0, 0])],
      layout: [text("<start_of_image>"), { type: "view", view: 0 }, text("<end_of_image>")],
    };
  }
  const squash: ImageView = [{ type: "resize", width: side, height: side, filter: "bilinear" }];
  const crops = panAndScan ? panAndScanCrops(image, panAndScan) : [];
  const between = (view: number, before: string, after: string): LayoutPart[] => [text(`${before}\n\n<start_of_image>`), { type: "view", view }, text(`<end_of_image>\n\n${after}`)];
  return {
    views: [squash, ...crops.map((crop): ImageView => [{ type: "crop", ...crop }, ...squash])],
    layout: crops.length === 0 ? between(0, "", "") : [
      ...between(0, "Here is the original image ", " and here are some crops to help you see better "),
      ...crops.flatMap((_, i) => between(i + 1, i === 0 ? "" : " ", "")),
    ],
  };
}

interface Crop extends Size {
  readonly left: number;
  readonly top: number;
}

/** Strips across the longer side, the last one as long as what is left of it. */
function panAndScanCrops({ width, height }: Size, { minCrop = 256, maxCrops = 4, minRatio = 1.2 }: PanAndScan): Crop[] {
  const [long, short] = width >= height ? [width, height] : [height, width];
  if (long / short < minRatio) return [];
  const wanted = Math.min(Math.floor(long / minCrop), Math.floor(long / short + 0.5));
  const count = Math.min(maxCrops, Math.max(2, wanted));
  const length = Math.ceil(long / count);
  if (Math.min(length, short) < minCrop) return [];
  return Array.from({ length: count }, (_, i) => {
    const [start, cut] = [length * i, Math.min(length, long - length * i)];
    return width >= height ? { left: start, top: 0, width: cut, height } : { left: 0, top: start, width, height: cut };
  });
}
