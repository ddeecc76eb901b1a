import sharp from "sharp";
import { iconToSvg, readArtSet } from "../art/art-sets.js";
import { drawSprite, spriteLevels, spriteSide, type Sprite } from "../art/sprite.js";
import { Sprites } from "../art/sprites.js";
import { paintBackground } from "./background-pixels.js";
import { drawObject } from "./draw-object.js";
import { Random } from "./random.js";
import type { Photometric, SceneSpec } from "./scene-spec.js";

/** Side in pixels of the pictures that the tower sees. */
export const sceneSide = 128;

const noiseLength = 1 << 16;

/** Draws scenes on the CPU in plain loops; one instance reuses its buffers, so use it from one thread at a time. */
export class SceneRenderer {
  readonly side: number;
  readonly #sprites: Sprites;
  readonly #canvas: Float32Array;
  readonly #blurred: Float32Array;
  readonly #noise: Float32Array;

  /** @param side side of the pictures in pixels */
  constructor(sprites: Sprites, side: number = sceneSide) {
    this.#sprites = sprites;
    this.side = side;
    this.#canvas = new Float32Array(side * side * 3);
    this.#blurred = new Float32Array(side * side * 3);
    this.#noise = new Float32Array(noiseLength);
    const rng = Random.fromSeed("noise table");
    for (let i = 0; i < noiseLength; i++) this.#noise[i] = rng.normal();
  }

  /** Writes `uint8[side, side, 3]` into `out` from `offset`. Throws for a sprite that is not loaded or too small a buffer. */
  render(spec: SceneSpec, out: Uint8Array, offset: number): void {
    const { side } = this;
    if (out.length - offset < side * side * 3) {
      throw new Error(`SceneRenderer.render: expected ${side * side * 3} bytes from offset ${offset}, got ${out.length - offset}`);
    }
    paintBackground(spec.background, this.#canvas, side);
    for (const object of spec.objects) drawObject(object, this.#sprites.need(object.style, object.name), this.#canvas, side);
    const { photometric } = spec;
    if (photometric?.blur === true) blur(this.#canvas, this.#blurred, side);
    if (photometric === undefined) copyRounded(this.#canvas, out, offset);
    else this.#finish(photometric, out, offset);
  }

  #finish(photometric: Photometric, out: Uint8Array, offset: number): void {
    const canvas = this.#canvas;
    const table = this.#noise;
    const { gain, bias, noise, noiseSeed } = photometric;
    const [gainR, gainG, gainB] = gain;
    const shift = bias + 0.5;
    const mask = noiseLength - 1;
    // An odd stride through the table, so that two seeds that start alike do not give the same picture of noise.
    const stride = ((noiseSeed >>> 16) & 0xfe) | 1;
    let at = noiseSeed & mask;
    for (let i = 0; i < canvas.length; i += 3) {
      let r = (canvas[i] as number) * gainR + shift;
      let g = (canvas[i + 1] as number) * gainG + shift;
      let b = (canvas[i + 2] as number) * gainB + shift;
      if (noise > 0) {
        r += (table[at] as number) * noise;
        at = (at + stride) & mask;
        g += (table[at] as number) * noise;
        at = (at + stride) & mask;
        b += (table[at] as number) * noise;
        at = (at + stride) & mask;
      }
      out[offset + i] = r < 0 ? 0 : r > 255 ? 255 : r;
      out[offset + i + 1] = g < 0 ? 0 : g > 255 ? 255 : g;
      out[offset + i + 2] = b < 0 ? 0 : b > 255 ? 255 : b;
    }
  }
}

/**
 * Draws a scene at another size with drawings rasterised for it, and returns a PNG. What it shows is what
 * `SceneRenderer` shows, only sharper. Reads each art set that the scene uses.
 */
export async function renderSceneLarge(spec: SceneSpec, side: number): Promise<Buffer> {
  const sprites: Sprite[] = [];
  const spritePixels = spriteSide * Math.max(1, Math.ceil(side / sceneSide));
  for (const style of new Set(spec.objects.map((object) => object.style))) {
    const set = await readArtSet(style);
    for (const name of new Set(spec.objects.filter((object) => object.style === style).map((object) => object.name))) {
      const { facts, data } = await drawSprite((px) => iconToSvg(set, name, px), style, name, spritePixels);
      sprites.push({ ...facts, levels: spriteLevels(data, spritePixels) });
    }
  }
  const pixels = new Uint8Array(side * side * 3);
  new SceneRenderer(new Sprites(sprites), side).render(spec, pixels, 0);
  return sharp(pixels, { raw: { width: side, height: side, channels: 3 } }).png().toBuffer();
}

function copyRounded(canvas: Float32Array, out: Uint8Array, offset: number): void {
  for (let i = 0; i < canvas.length; i++) {
    const value = (canvas[i] as number) + 0.5;
    out[offset + i] = value < 0 ? 0 : value > 255 ? 255 : value;
  }
}

/** A binomial 3x3 blur in two passes; borders repeat. */
function blur(canvas: Float32Array, scratch: Float32Array, side: number): void {
  const row = side * 3;
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < row; x++) {
      const at = y * row + x;
      const left = canvas[x < 3 ? at : at - 3] as number;
      const right = canvas[x >= row - 3 ? at : at + 3] as number;
      scratch[at] = (left + right) * 0.25 + (canvas[at] as number) * 0.5;
    }
  }
  for (let y = 0; y < side; y++) {
    const up = y === 0 ? 0 : -row;
    const down = y === side - 1 ? 0 : row;
    for (let x = 0; x < row; x++) {
      const at = y * row + x;
      canvas[at] = ((scratch[at + up] as number) + (scratch[at + down] as number)) * 0.25 + (scratch[at] as number) * 0.5;
    }
  }
}
