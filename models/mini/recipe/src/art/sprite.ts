import sharp from "sharp";
import { colourName, colourNames, type ColourName, type Rgb } from "./colour.js";

/** Bytes a pixel: red, green, blue (premultiplied by alpha), alpha, outline ramp, inner lines. */
export const spriteChannels = 6;

/** Side in pixels of a sprite's finest level, and how many of them its drawing spans at most. */
export const spriteSide = 96;
export const contentSide = 88;

/** One resolution of a sprite: `uint8[side, side, 6]`. */
export interface SpriteLevel {
  readonly side: number;
  readonly data: Uint8Array;
}

/** What is known about a drawing besides its pixels. */
export interface SpriteFacts {
  readonly name: string;
  readonly style: string;
  /** Extents of the trimmed drawing; the longer one is 1. */
  readonly width: number;
  readonly height: number;
  /** Longer side of the trimmed drawing over the side of the art set's own box: openmoji draws smaller. */
  readonly naturalScale: number;
  /** The commonest colour word among opaque pixels, and its share of them. */
  readonly colour: ColourName;
  readonly colourShare: number;
  /** Mean colour of the opaque pixels. */
  readonly mean: Rgb;
}

/** A drawing ready to be placed: levels from fine to coarse, each half the side of the one before. */
export interface Sprite extends SpriteFacts {
  readonly levels: readonly SpriteLevel[];
}

/** Bytes of the three levels of a sprite whose finest side is `side`. */
export function spriteBytes(side: number): number {
  return (side * side + (side / 2) ** 2 + (side / 4) ** 2) * spriteChannels;
}

/** Splits the bytes written by `drawSprite` into levels, without copying. */
export function spriteLevels(data: Uint8Array, side: number): SpriteLevel[] {
  const levels: SpriteLevel[] = [];
  let at = 0;
  for (const levelSide of [side, side / 2, side / 4]) {
    const bytes = levelSide * levelSide * spriteChannels;
    levels.push({ side: levelSide, data: data.subarray(at, at + bytes) });
    at += bytes;
  }
  return levels;
}

/**
 * Rasterises an SVG, trims it to what is visible and centres it, its longer side spanning 88/96 of `side`.
 * The margin leaves room for outlines. `side` must be a multiple of 96.
 */
export async function drawSprite(svg: (px: number) => string, style: string, name: string, side: number = spriteSide): Promise<{ facts: SpriteFacts; data: Uint8Array }> {
  const factor = side / spriteSide;
  if (!Number.isInteger(factor) || factor < 1) throw new Error(`drawSprite: expected a side that is a multiple of ${spriteSide}, got ${side}`);
  // Twice the final resolution, so that the trimmed drawing is only ever scaled down.
  const drawn = await sharp(Buffer.from(svg(Math.round(contentSide * factor * 2.3))), { limitInputPixels: false })
    .ensureAlpha()
    .raw({ depth: "uchar" })
    .toBuffer({ resolveWithObject: true });
  const { width: drawnWidth, height: drawnHeight, channels } = drawn.info;
  const box = opaqueBox(drawn.data, drawnWidth, drawnHeight, channels);
  if (box === undefined) throw new Error(`drawSprite: the drawing of "${name}" in ${style} is empty`);
  const longest = Math.max(box.width, box.height);
  const width = Math.max(1, Math.round((box.width / longest) * contentSide * factor));
  const height = Math.max(1, Math.round((box.height / longest) * contentSide * factor));
  const rgba = await sharp(drawn.data, { raw: { width: drawnWidth, height: drawnHeight, channels } })
    .extract(box)
    .resize(width, height, { fit: "fill", kernel: "lanczos3" })
    .raw()
    .toBuffer();
  const data = new Uint8Array(spriteBytes(side));
  const levels = spriteLevels(data, side);
  const finest = levels[0] as SpriteLevel;
  placePremultiplied(rgba, width, height, finest);
  addLinePlanes(finest, factor);
  for (let i = 1; i < levels.length; i++) halve(levels[i - 1] as SpriteLevel, levels[i] as SpriteLevel);
  return {
    facts: {
      name,
      style,
      width: box.width / longest,
      height: box.height / longest,
      naturalScale: Math.min(1, longest / Math.max(drawnWidth, drawnHeight)),
      ...describeColour(rgba),
    },
    data,
  };
}

function opaqueBox(data: Uint8Array, width: number, height: number, channels: number): { left: number; top: number; width: number; height: number } | undefined {
  let left = width, right = -1, top = height, bottom = -1;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      // Faint glows and shadows do not count as the object.
      if ((data[(y * width + x) * channels + 3] ?? 0) < 24) continue;
      if (x < left) left = x;
      if (x > right) right = x;
      if (y < top) top = y;
      bottom = y;
    }
  }
  return right < 0 ? undefined : { left, top, width: right - left + 1, height: bottom - top + 1 };
}

function placePremultiplied(rgba: Uint8Array, width: number, height: number, level: SpriteLevel): void {
  const left = (level.side - width) >> 1;
  const top = (level.side - height) >> 1;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const from = (y * width + x) * 4;
      const to = ((y + top) * level.side + x + left) * spriteChannels;
      const alpha = rgba[from + 3] ?? 0;
      for (let c = 0; c < 3; c++) level.data[to + c] = Math.round(((rgba[from + c] ?? 0) * alpha) / 255);
      level.data[to + 3] = alpha;
    }
  }
}

/** Fills plane 4 with a ramp that falls from 255 on the drawing to 0 four pixels outside it, and plane 5 with its edges. */
function addLinePlanes(level: SpriteLevel, factor: number): void {
  const { side, data } = level;
  const reach = 4 * factor;
  const span = Math.ceil(reach);
  const discs: { dx: number; dy: number; fall: number }[] = [];
  for (let dy = -span; dy <= span; dy++) {
    for (let dx = -span; dx <= span; dx++) {
      const fall = 1 - Math.hypot(dx, dy) / reach;
      if (fall > 0) discs.push({ dx, dy, fall });
    }
  }
  const ramp = new Float32Array(side * side);
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      const alpha = data[(y * side + x) * spriteChannels + 3] ?? 0;
      if (alpha < 8) continue;
      // Only pixels on the border of the drawing can reach outside it first.
      const inside = x > 0 && y > 0 && x < side - 1 && y < side - 1 && [1, -1, side, -side].every((step) => data[(y * side + x + step) * spriteChannels + 3] === 255);
      if (inside) {
        ramp[y * side + x] = 255;
        continue;
      }
      for (const { dx, dy, fall } of discs) {
        const px = x + dx, py = y + dy;
        if (px < 0 || py < 0 || px >= side || py >= side) continue;
        const at = py * side + px;
        if (fall * alpha > (ramp[at] ?? 0)) ramp[at] = fall * alpha;
      }
    }
  }
  const step = Math.max(1, Math.round(factor));
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      const at = (y * side + x) * spriteChannels;
      data[at + 4] = Math.round(ramp[y * side + x] ?? 0);
      if (x < step || y < step || x >= side - step || y >= side - step) continue;
      let edge = 0;
      for (let c = 0; c < 4; c++) {
        const dx = (data[at + step * spriteChannels + c] ?? 0) - (data[at - step * spriteChannels + c] ?? 0);
        const dy = (data[at + step * side * spriteChannels + c] ?? 0) - (data[at - step * side * spriteChannels + c] ?? 0);
        edge = Math.max(edge, Math.hypot(dx, dy));
      }
      data[at + 5] = Math.min(255, Math.round(edge * 1.5));
    }
  }
}

function halve(fine: SpriteLevel, coarse: SpriteLevel): void {
  for (let y = 0; y < coarse.side; y++) {
    for (let x = 0; x < coarse.side; x++) {
      for (let c = 0; c < spriteChannels; c++) {
        const at = (2 * y * fine.side + 2 * x) * spriteChannels + c;
        const down = at + fine.side * spriteChannels;
        const sum = (fine.data[at] ?? 0) + (fine.data[at + spriteChannels] ?? 0) + (fine.data[down] ?? 0) + (fine.data[down + spriteChannels] ?? 0);
        coarse.data[(y * coarse.side + x) * spriteChannels + c] = (sum + 2) >> 2;
      }
    }
  }
}

function describeColour(rgba: Uint8Array): { colour: ColourName; colourShare: number; mean: Rgb } {
  const counts = new Map<ColourName, number>();
  const sum: [number, number, number] = [0, 0, 0];
  let opaque = 0;
  for (let at = 0; at < rgba.length; at += 4) {
    if ((rgba[at + 3] ?? 0) < 160) continue;
    const [r, g, b] = [rgba[at] ?? 0, rgba[at + 1] ?? 0, rgba[at + 2] ?? 0];
    opaque++;
    sum[0] += r;
    sum[1] += g;
    sum[2] += b;
    const name = colourName(r, g, b);
    if (name !== undefined) counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  let colour: ColourName = "gray";
  for (const name of colourNames) if ((counts.get(name) ?? 0) > (counts.get(colour) ?? 0)) colour = name;
  const total = Math.max(1, opaque);
  return { colour, colourShare: (counts.get(colour) ?? 0) / total, mean: [sum[0] / total, sum[1] / total, sum[2] / total] };
}
