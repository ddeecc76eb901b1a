import sharp from "sharp";
import { beforeAll, describe, expect, it } from "vitest";
import { contentSide, drawSprite, spriteChannels, spriteLevels, spriteSide, type Sprite } from "../src/art/sprite.js";
import { Sprites } from "../src/art/sprites.js";
import { objectNames } from "../src/objects.js";
import { Random } from "../src/scenes/random.js";
import { renderSceneLarge, SceneRenderer, sceneSide } from "../src/scenes/render-scene.js";
import { sampleScene, sampleTestScene, type SceneObject, type SceneSpec } from "../src/scenes/scene.js";
import { testSprites } from "./shared-sprites.js";

const side = sceneSide;

async function spriteOf(name: string, body: string): Promise<Sprite> {
  const svg = (px: number): string => `<svg xmlns="http://www.w3.org/2000/svg" width="${px}" height="${px}" viewBox="0 0 100 100">${body}</svg>`;
  const { facts, data } = await drawSprite(svg, "test", name);
  return { ...facts, levels: spriteLevels(data, spriteSide) };
}

function objectOf(name: string, changes: Partial<SceneObject> = {}): SceneObject {
  return {
    name,
    style: "test",
    cx: 0.5,
    cy: 0.5,
    size: 0.5,
    rotation: 0,
    flip: false,
    stretch: 1,
    shear: 0,
    opacity: 1,
    softness: 0,
    bounds: { left: 0, top: 0, right: 1, bottom: 1 },
    ...changes,
  };
}

function sceneOf(objects: readonly SceneObject[], colour: readonly [number, number, number] = [255, 255, 255]): SceneSpec {
  return { background: { kind: "flat", colour }, objects };
}

/** The same picture the long way: every pixel mapped back by solving the forward map, every tap bounds-checked. */
function slowReference(object: SceneObject, sprite: Sprite, background: readonly number[]): Float64Array {
  const out = new Float64Array(side * side * 3);
  const unit = (object.size * spriteSide) / contentSide;
  const sx = unit * Math.sqrt(object.stretch) * (object.flip ? -1 : 1);
  const sy = unit / Math.sqrt(object.stretch);
  let level = 0;
  for (let scale = (unit * side) / spriteSide; scale < 0.71 && level < 2; scale *= 2) level++;
  const { data, side: n } = sprite.levels[level] as Sprite["levels"][number];
  const tap = (x: number, y: number, c: number): number => (x < 0 || y < 0 || x >= n || y >= n ? 0 : (data[(y * n + x) * spriteChannels + c] as number));
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      const px = (x + 0.5) / side - object.cx;
      const py = (y + 0.5) / side - object.cy;
      const unturnedX = Math.cos(object.rotation) * px + Math.sin(object.rotation) * py;
      const unturnedY = -Math.sin(object.rotation) * px + Math.cos(object.rotation) * py;
      const v = (unturnedY / sy + 0.5) * n - 0.5;
      const u = ((unturnedX - (object.shear * unturnedY)) / sx + 0.5) * n - 0.5;
      const x0 = Math.floor(u), y0 = Math.floor(v);
      const at = (c: number): number =>
        tap(x0, y0, c) * (1 - (u - x0)) * (1 - (v - y0)) + tap(x0 + 1, y0, c) * (u - x0) * (1 - (v - y0)) + tap(x0, y0 + 1, c) * (1 - (u - x0)) * (v - y0) + tap(x0 + 1, y0 + 1, c) * (u - x0) * (v - y0);
      for (let c = 0; c < 3; c++) out[(y * side + x) * 3 + c] = (background[c] as number) * (1 - at(3) / 255) + at(c);
    }
  }
  return out;
}

let lopsided: Sprite;
let red: Sprite;
let sprites: Sprites;
beforeAll(async () => {
  lopsided = await spriteOf("lopsided", `<path d="M10 10H90L50 90Z" fill="#2060e0"/><circle cx="30" cy="25" r="12" fill="#ffe000" fill-opacity=".7"/>`);
  red = await spriteOf("red", `<rect x="20" y="20" width="60" height="60" fill="#ff0000"/>`);
  sprites = new Sprites([lopsided, red]);
});

function render(spec: SceneSpec, from: Sprites = sprites, pictureSide = side): Uint8Array {
  const out = new Uint8Array(pictureSide * pictureSide * 3);
  new SceneRenderer(from, pictureSide).render(spec, out, 0);
  return out;
}

function pixel(picture: Uint8Array, x: number, y: number): number[] {
  return [...picture.subarray((y * side + x) * 3, (y * side + x) * 3 + 3)];
}

describe("SceneRenderer", () => {
  it.each([
    ["upright", {}],
    ["turned, off centre", { rotation: 0.7, cx: 0.3, cy: 0.62 }],
    ["flipped, stretched and sheared", { flip: true, stretch: 1.2, shear: 0.15, size: 0.8 }],
    ["small, from a coarse level", { size: 0.2, rotation: -2 }],
    ["partly outside", { cx: 0.05, cy: 0.95, size: 0.9, rotation: 0.2 }],
  ] as [string, Partial<SceneObject>][])("draws what a slow reference draws: %s", (_, changes) => {
    const object = objectOf("lopsided", changes);
    const picture = render(sceneOf([object], [240, 250, 230]));
    const reference = slowReference(object, lopsided, [240, 250, 230]);
    let worst = 0;
    for (let i = 0; i < picture.length; i++) worst = Math.max(worst, Math.abs((picture[i] as number) - (reference[i] as number)));
    expect(worst).toBeLessThan(1.01);
  });

  it("draws a square of half the side over the middle half of the picture", () => {
    const picture = render(sceneOf([objectOf("red")]));
    expect([pixel(picture, 64, 64), pixel(picture, 34, 64), pixel(picture, 93, 93)]).toEqual([[255, 0, 0], [255, 0, 0], [255, 0, 0]]);
    expect([pixel(picture, 29, 64), pixel(picture, 64, 98)]).toEqual([[255, 255, 255], [255, 255, 255]]);
  });

  it("draws later objects over earlier ones and a shadow under its own", () => {
    const blueOnRed = render(sceneOf([objectOf("red"), objectOf("lopsided", { size: 0.3 })]));
    expect(pixel(blueOnRed, 64, 64)).toEqual([32, 96, 224]);
    const shadowed = render(sceneOf([objectOf("red", { shadow: { dx: 0.1, dy: 0.1, strength: 0.4 } })]));
    expect(pixel(shadowed, 64, 64)).toEqual([255, 0, 0]);
    expect(pixel(shadowed, 102, 102)).toEqual([153, 153, 153]);
  });

  it("applies a look: recoloured, filled, outlined, erased", () => {
    const swapped = render(sceneOf([objectOf("red", { look: { matrix: [0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0] } })]));
    expect(pixel(swapped, 64, 64)).toEqual([0, 255, 0]);
    const filled = render(sceneOf([objectOf("red", { look: { fill: { colour: [0, 0, 255], mix: 1 } } })]));
    expect(pixel(filled, 64, 64)).toEqual([0, 0, 255]);
    const outlined = render(sceneOf([objectOf("red", { size: 0.8, look: { outline: { colour: [0, 0, 0], width: 0.8 } } })]));
    expect(pixel(outlined, 64, 64)).toEqual([255, 0, 0]);
    expect(pixel(outlined, 11, 64)).toEqual([0, 0, 0]);
    expect(pixel(outlined, 5, 5)).toEqual([255, 255, 255]);
    const erased = render(sceneOf([objectOf("red", { erase: { left: 0.4, top: 0.4, right: 0.6, bottom: 0.6 } })]));
    expect(pixel(erased, 64, 64)).toEqual([255, 255, 255]);
    expect(pixel(erased, 40, 64)).toEqual([255, 0, 0]);
  });

  it("never fills the sprite's box, however wide the outline and the bend", () => {
    const look = { outline: { colour: [0, 0, 0], width: 1 } } as const;
    const picture = render(sceneOf([objectOf("lopsided", { size: 0.9, look, warp: { amplitude: 0.05, cycles: 1, phaseX: 0, phaseY: 1 } })]));
    expect([pixel(picture, 10, 118), pixel(picture, 118, 118)]).toEqual([[255, 255, 255], [255, 255, 255]]);
  });

  it("writes at the offset, gives the same bytes again, and refuses too small a buffer", async () => {
    const loaded = await testSprites();
    const renderer = new SceneRenderer(loaded);
    const spec = sampleScene(Random.fromSeed(12), { names: objectNames, styles: ["twemoji"], sprites: loaded, augment: true });
    const bytes = side * side * 3;
    const two = new Uint8Array(2 * bytes);
    renderer.render(spec, two, 0);
    renderer.render(sampleScene(Random.fromSeed(13), { names: objectNames, styles: ["twemoji"], sprites: loaded, augment: true }), two, 0);
    renderer.render(spec, two, bytes);
    expect(two.subarray(bytes)).toEqual(render(spec, loaded));
    expect(two.subarray(0, bytes)).not.toEqual(two.subarray(bytes));
    expect(() => renderer.render(spec, two, bytes + 1)).toThrow(`expected ${bytes} bytes from offset ${bytes + 1}, got ${bytes - 1}`);
    expect(() => renderer.render(sceneOf([objectOf("sofa")]), two, 0)).toThrow(/"sofa" in "test"/);
  });

  it("adds noise of the asked strength and changes brightness by gain and bias", () => {
    const photometric = { gain: [0.5, 1, 1], bias: 10, noise: 0, noiseSeed: 5, blur: false } as const;
    expect(pixel(render({ ...sceneOf([], [100, 100, 250]), photometric }), 3, 3)).toEqual([60, 110, 255]);
    const noisy = render({ ...sceneOf([], [128, 128, 128]), photometric: { ...photometric, gain: [1, 1, 1], bias: 0, noise: 8 } });
    const mean = noisy.reduce((a, b) => a + b, 0) / noisy.length;
    const deviation = Math.sqrt(noisy.reduce((a, b) => a + (b - mean) ** 2, 0) / noisy.length);
    expect(mean).toBeCloseTo(128, 0);
    expect(deviation).toBeCloseTo(8, 0);
  });
});

describe("renderSceneLarge", () => {
  it("shows what the small picture shows", async () => {
    const loaded = await testSprites();
    for (const [index, style] of [[0, "openmoji"], [1, "twemoji"]] as const) {
      const spec = sampleTestScene(3, index, style, { names: objectNames, sprites: loaded });
      const png = await renderSceneLarge(spec, 384);
      const info = await sharp(png).metadata();
      expect([info.format, info.width, info.height, info.channels]).toEqual(["png", 384, 384, 3]);
      const shrunk = await sharp(png).resize(side, side, { kernel: "cubic" }).raw().toBuffer();
      const small = render(spec, loaded);
      const difference = small.reduce((sum, value, i) => sum + Math.abs(value - (shrunk[i] as number)), 0) / small.length;
      expect(difference).toBeLessThan(2.5);
    }
  });
});
