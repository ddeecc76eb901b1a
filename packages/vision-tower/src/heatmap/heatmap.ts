import sharp from "sharp";
import type { PatchGrid } from "../checkpoint.js";
import type { DecodedImage } from "../pixels/decode-image.js";
import { heatColour } from "./heat-colours.js";
import { extremes, upsampleGrid } from "./upsample-grid.js";

/** What a patch is scored by: its cosine with the text, or the sigmoid of the logit that this cosine gives. */
export type HeatmapScore = "cosine" | "probability";

/** Settings of `Siglip.heatmap`. */
export interface HeatmapOptions {
  /** "cosine" when left out. Probabilities are what the model says of whole pictures: of a patch they are a guide. */
  readonly score?: HeatmapScore;
  readonly signal?: AbortSignal;
}

/** Settings of `Heatmap.png`. */
export interface HeatmapPngOptions {
  /** The longer side at most, in pixels; 1024 when left out. The picture is never enlarged. */
  readonly maxSide?: number;
  /**
   * The scores that are drawn coldest and hottest; when left out, the least and greatest of this picture, so that even
   * a text that is true of nothing in it has a hottest place. To compare pictures, give them all one range.
   */
  readonly range?: readonly [low: number, high: number];
  /** How much of the picture the heat covers, 0 to 1; 0.6 when left out. */
  readonly opacity?: number;
}

const hottestLevel = 255;

/** How well each patch of a picture fits a text. */
export class Heatmap {
  /** How the patches lie over the whole picture, whatever its shape. */
  readonly grid: PatchGrid;
  /** float32[rows · columns], row by row. */
  readonly scores: Float32Array;
  /** sigmoid(logit): how probable it is that the text is true of the picture as a whole. */
  readonly probability: number;
  readonly #picture: DecodedImage;

  /** @internal Use `Siglip.heatmap`. */
  constructor(grid: PatchGrid, scores: Float32Array, probability: number, picture: DecodedImage) {
    this.grid = grid;
    this.scores = scores;
    this.probability = probability;
    this.#picture = picture;
  }

  /** The least and the greatest score. */
  get range(): [low: number, high: number] {
    return extremes(this.scores);
  }

  /**
   * The heat drawn over the picture, as a PNG: dark violet is cold, light yellow hot.
   * @throws RangeError for options that make no sense
   */
  async png({ maxSide = 1024, range = this.range, opacity = 0.6 }: HeatmapPngOptions = {}): Promise<Uint8Array> {
    const [low, high] = range;
    if (!(Number.isSafeInteger(maxSide) && maxSide > 0)) throw new RangeError(`Heatmap.png: expected maxSide to be at least 1 pixel, got ${maxSide}`);
    if (!(low <= high)) throw new RangeError(`Heatmap.png: expected a range from low to high, got ${low} to ${high}`);
    if (!(opacity >= 0 && opacity <= 1)) throw new RangeError(`Heatmap.png: expected an opacity from 0 to 1, got ${opacity}`);
    const { width: fullWidth, height: fullHeight, data } = this.#picture;
    const shrink = Math.min(1, maxSide / Math.max(fullWidth, fullHeight));
    const [width, height] = [Math.max(1, Math.round(fullWidth * shrink)), Math.max(1, Math.round(fullHeight * shrink))];
    const raw = { width: fullWidth, height: fullHeight, channels: 3 } as const;
    const pixels = await sharp(data, { raw }).resize(width, height, { fit: "fill" }).raw().toBuffer();
    const heat = upsampleGrid(this.scores, this.grid, width, height);
    const colours = colourTable();
    const scale = high > low ? hottestLevel / (high - low) : 0;
    for (let i = 0; i < heat.length; i++) {
      const level = Math.round(Math.min(hottestLevel, Math.max(0, ((heat[i] as number) - low) * scale)));
      for (let c = 0; c < 3; c++) pixels[i * 3 + c] = Math.round((pixels[i * 3 + c] as number) * (1 - opacity) + (colours[level * 3 + c] as number) * opacity);
    }
    const png = await sharp(pixels, { raw: { width, height, channels: 3 } }).png().toBuffer();
    return new Uint8Array(png.buffer, png.byteOffset, png.byteLength);
  }
}

/** RGB for each of 256 levels of heat. */
function colourTable(): Float32Array {
  return Float32Array.from(Array.from({ length: hottestLevel + 1 }, (_, level) => heatColour(level / hottestLevel)).flat());
}
