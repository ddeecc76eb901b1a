import { contentSide, spriteChannels, spriteSide, type Sprite, type SpriteLevel } from "../art/sprite.js";
import { linearMap } from "./placement.js";
import type { Look, SceneObject } from "./scene-spec.js";

const map = new Float64Array(4);
const toneCurve = new Float32Array(256);
let columnShift = new Float32Array(128);
const noMatrix: readonly number[] = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0];

/** Blends one object, its shadow first, into `float32[side, side, 3]`, 0 to 255. Allocates nothing at sides up to 128. */
export function drawObject(object: SceneObject, sprite: Sprite, canvas: Float32Array, side: number): void {
  if (object.shadow !== undefined) {
    const { dx, dy, strength } = object.shadow;
    blend(object, sprite, canvas, side, dx, dy, strength);
  }
  blend(object, sprite, canvas, side, 0, 0, 0);
}

/** The level whose pixels come nearest to the picture's from above: at most 1.4 of them to one pixel of the picture. */
function chooseLevel(sprite: Sprite, pixelsPerFinePixel: number, softness: number): SpriteLevel {
  let index = 0;
  let scale = pixelsPerFinePixel;
  while (index < sprite.levels.length - 1 && scale < 0.71) {
    scale *= 2;
    index++;
  }
  index = Math.min(sprite.levels.length - 1, index + Math.round(softness));
  return sprite.levels[index] as SpriteLevel;
}

function blend(object: SceneObject, sprite: Sprite, canvas: Float32Array, side: number, shiftX: number, shiftY: number, shadow: number): void {
  const isShadow = shadow > 0;
  linearMap(object, map);
  // One unit of the drawing spans 88/96 of the sprite; from here on in pixels of the picture for each unit of the sprite.
  const unit = (side * spriteSide) / contentSide;
  const xx = (map[0] ?? 0) * unit, xy = (map[1] ?? 0) * unit, yx = (map[2] ?? 0) * unit, yy = (map[3] ?? 0) * unit;
  const determinant = xx * yy - xy * yx;
  if (determinant === 0) return;
  const finest = (sprite.levels[0] as SpriteLevel).side;
  const level = chooseLevel(sprite, Math.sqrt(Math.abs(determinant)) / finest, isShadow ? 1 : object.softness);
  const { data, side: levelSide } = level;
  const rowBytes = levelSide * spriteChannels;

  const cx = (object.cx + shiftX) * side;
  const cy = (object.cy + shiftY) * side;
  const warp = object.warp;
  const bend = (warp?.amplitude ?? 0) * object.size * side;
  const wave = (2 * Math.PI * (warp?.cycles ?? 0)) / (object.size * side);
  const phaseX = warp?.phaseX ?? 0;
  const halfWidth = (Math.abs(xx) + Math.abs(xy)) / 2 + bend;
  const halfHeight = (Math.abs(yx) + Math.abs(yy)) / 2 + bend;
  const top = Math.max(0, Math.floor(cy - halfHeight));
  const bottom = Math.min(side - 1, Math.ceil(cy + halfHeight));
  const leftmost = Math.max(0, Math.floor(cx - halfWidth));
  const rightmost = Math.min(side - 1, Math.ceil(cx + halfWidth));

  if (warp !== undefined) {
    if (columnShift.length < side) columnShift = new Float32Array(side);
    for (let x = leftmost; x <= rightmost; x++) columnShift[x] = bend * Math.sin(wave * (x + 0.5 - cx) + warp.phaseY);
  }

  // Level pixels for a step of one picture pixel.
  const ux = (yy / determinant) * levelSide, uy = (-xy / determinant) * levelSide;
  const vx = (-yx / determinant) * levelSide, vy = (xx / determinant) * levelSide;
  const limit = levelSide - 1.001;

  const look: Look | undefined = isShadow ? undefined : object.look;
  const matrix = look?.matrix ?? noMatrix;
  const hasMatrix = look?.matrix !== undefined;
  const m0 = matrix[0] as number, m1 = matrix[1] as number, m2 = matrix[2] as number, m3 = (matrix[3] as number) / 255;
  const m4 = matrix[4] as number, m5 = matrix[5] as number, m6 = matrix[6] as number, m7 = (matrix[7] as number) / 255;
  const m8 = matrix[8] as number, m9 = matrix[9] as number, m10 = matrix[10] as number, m11 = (matrix[11] as number) / 255;
  const hasTone = look !== undefined && (look.gamma !== undefined || look.levels !== undefined);
  if (hasTone) fillToneCurve(look.gamma ?? 1, look.levels ?? 0);
  const fill = look?.fill;
  const mix = fill?.mix ?? 0;
  const fillR = (fill?.colour[0] ?? 0) / 255, fillG = (fill?.colour[1] ?? 0) / 255, fillB = (fill?.colour[2] ?? 0) / 255;
  const edges = look?.edges;
  const edgeThreshold = edges?.threshold ?? 0, edgeStrength = edges?.strength ?? 0;
  const edgeR = (edges?.colour[0] ?? 0) / 255, edgeG = (edges?.colour[1] ?? 0) / 255, edgeB = (edges?.colour[2] ?? 0) / 255;
  const outline = look?.outline;
  // Never below what the ramp falls to far from the drawing, or the whole sprite would be filled.
  const outlineCut = Math.max(3, 255 * (1 - (outline?.width ?? 0)) - 24);
  const outlineR = (outline?.colour[0] ?? 0) / 255, outlineG = (outline?.colour[1] ?? 0) / 255, outlineB = (outline?.colour[2] ?? 0) / 255;
  const erase = object.erase;
  const eraseLeft = (erase?.left ?? 0) * levelSide, eraseRight = (erase?.right ?? 0) * levelSide;
  const eraseTop = (erase?.top ?? 0) * levelSide, eraseBottom = (erase?.bottom ?? 0) * levelSide;
  const opacity = (isShadow ? shadow : object.opacity) / 255;

  for (let y = top; y <= bottom; y++) {
    const dy = y + 0.5 - cy;
    const dx0 = leftmost + 0.5 - cx + (warp === undefined ? 0 : bend * Math.sin(wave * dy + phaseX));
    // Pixel centres: level coordinate 0 is the centre of its first pixel.
    const u0 = dx0 * ux + dy * uy + levelSide / 2 - 0.5;
    const v0 = dx0 * vx + dy * vy + levelSide / 2 - 0.5;
    let first = 0, last = rightmost - leftmost;
    if (warp === undefined) {
      // The part of the row that falls inside the sprite; bent columns are checked one by one instead.
      if (ux > 1e-9) { first = Math.max(first, Math.ceil(-u0 / ux)); last = Math.min(last, Math.floor((limit - u0) / ux)); }
      else if (ux < -1e-9) { first = Math.max(first, Math.ceil((limit - u0) / ux)); last = Math.min(last, Math.floor(-u0 / ux)); }
      else if (u0 < 0 || u0 > limit) continue;
      if (vx > 1e-9) { first = Math.max(first, Math.ceil(-v0 / vx)); last = Math.min(last, Math.floor((limit - v0) / vx)); }
      else if (vx < -1e-9) { first = Math.max(first, Math.ceil((limit - v0) / vx)); last = Math.min(last, Math.floor(-v0 / vx)); }
      else if (v0 < 0 || v0 > limit) continue;
    }
    let at = (y * side + leftmost + first) * 3;
    for (let step = first; step <= last; step++, at += 3) {
      let u = u0 + step * ux;
      let v = v0 + step * vx;
      if (warp !== undefined) {
        const shift = columnShift[leftmost + step] as number;
        u += shift * uy;
        v += shift * vy;
        if (u < 0 || v < 0 || u > limit || v > limit) continue;
      }
      const iu = u | 0, iv = v | 0;
      const p = iv * rowBytes + iu * spriteChannels;
      const q = p + rowBytes;
      const ramp = outline === undefined ? 0 : (data[p + 4] as number);
      if (outline === undefined && (data[p + 3] as number) + (data[p + 9] as number) + (data[q + 3] as number) + (data[q + 9] as number) === 0) continue;
      if (erase !== undefined && u > eraseLeft && u < eraseRight && v > eraseTop && v < eraseBottom) continue;
      const fu = u - iu, fv = v - iv;
      const w11 = fu * fv, w10 = fv - w11, w01 = fu - w11, w00 = 1 - fu - fv + w11;
      let a = (data[p + 3] as number) * w00 + (data[p + 9] as number) * w01 + (data[q + 3] as number) * w10 + (data[q + 9] as number) * w11;
      let r = 0, g = 0, b = 0;
      if (!isShadow && a > 0) {
        r = (data[p] as number) * w00 + (data[p + 6] as number) * w01 + (data[q] as number) * w10 + (data[q + 6] as number) * w11;
        g = (data[p + 1] as number) * w00 + (data[p + 7] as number) * w01 + (data[q + 1] as number) * w10 + (data[q + 7] as number) * w11;
        b = (data[p + 2] as number) * w00 + (data[p + 8] as number) * w01 + (data[q + 2] as number) * w10 + (data[q + 8] as number) * w11;
        if (hasMatrix) {
          const mr = m0 * r + m1 * g + m2 * b + m3 * a;
          const mg = m4 * r + m5 * g + m6 * b + m7 * a;
          const mb = m8 * r + m9 * g + m10 * b + m11 * a;
          r = mr < 0 ? 0 : mr > a ? a : mr;
          g = mg < 0 ? 0 : mg > a ? a : mg;
          b = mb < 0 ? 0 : mb > a ? a : mb;
        }
        if (hasTone) {
          const up = 255 / a, down = a / 255;
          r = (toneCurve[Math.min(255, r * up) | 0] as number) * down;
          g = (toneCurve[Math.min(255, g * up) | 0] as number) * down;
          b = (toneCurve[Math.min(255, b * up) | 0] as number) * down;
        }
        if (mix > 0) {
          r += (fillR * a - r) * mix;
          g += (fillG * a - g) * mix;
          b += (fillB * a - b) * mix;
        }
        if (edgeStrength > 0) {
          const edge = (data[p + 5] as number) * w00 + (data[p + 11] as number) * w01 + (data[q + 5] as number) * w10 + (data[q + 11] as number) * w11;
          if (edge > edgeThreshold) {
            const share = Math.min(1, (edge - edgeThreshold) * 0.02) * edgeStrength;
            r += (edgeR * a - r) * share;
            g += (edgeG * a - g) * share;
            b += (edgeB * a - b) * share;
          }
        }
      }
      if (outline !== undefined) {
        const reach = ramp * w00 + (data[p + 10] as number) * w01 + (data[q + 4] as number) * w10 + (data[q + 10] as number) * w11;
        const cover = (reach - outlineCut) * 5.3;
        if (cover > a) {
          const line = (cover > 255 ? 255 : cover) - a;
          if (line > 0) {
            r += outlineR * line;
            g += outlineG * line;
            b += outlineB * line;
            a += line;
          }
        }
      }
      const keep = 1 - a * opacity;
      const add = opacity * 255;
      canvas[at] = (canvas[at] as number) * keep + r * add;
      canvas[at + 1] = (canvas[at + 1] as number) * keep + g * add;
      canvas[at + 2] = (canvas[at + 2] as number) * keep + b * add;
    }
  }
}

function fillToneCurve(gamma: number, levels: number): void {
  for (let i = 0; i < 256; i++) {
    const bent = (i / 255) ** gamma;
    toneCurve[i] = 255 * (levels > 1 ? Math.round(bent * (levels - 1)) / (levels - 1) : bent);
  }
}
