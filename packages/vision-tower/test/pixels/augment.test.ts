import { readFile } from "node:fs/promises";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { adjustBrightness, adjustContrast, adjustSaturation, colorJitter, shiftHue } from "../../src/pixels/augment/color-jitter.js";
import { cropped, mirrored, randomCropBox } from "../../src/pixels/augment/random-resized-crop.js";

type Case = { readonly factor: number; readonly pixels: number[] };
const golden = JSON.parse(await readFile(new URL("../goldens/augment.json", import.meta.url), "utf8")) as Record<"brightness" | "contrast" | "saturation" | "hue", Case[]> & { readonly width: number; readonly height: number; readonly pixels: number[] };
const image = { width: golden.width, height: golden.height, data: Uint8Array.from(golden.pixels) };

function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  return Array.from(a).reduce((most, value, i) => Math.max(most, Math.abs(value - (b[i] as number))), 0);
}

describe("colour changes", () => {
  const changes = { brightness: adjustBrightness, contrast: adjustContrast, saturation: adjustSaturation } as const;

  it.each(Object.keys(changes) as (keyof typeof changes)[])("%s is Pillow's to one step of 255", (name) => {
    for (const { factor, pixels } of golden[name]) expect(largestDifference(changes[name](image.data, factor), pixels)).toBeLessThanOrEqual(1);
  });

  it("hue is torchvision's on Pillow's HSV to two steps", () => {
    for (const { factor, pixels } of golden.hue) expect(largestDifference(shiftHue(image.data, factor), pixels)).toBeLessThanOrEqual(2);
  });

  it("jitter of 0 changes nothing; the same numbers give the same picture", () => {
    const uniforms = [0.9, 0.1, 0.4, 0.7, 0.2, 0.8, 0.3];
    const draw = (): (() => number) => {
      let at = 0;
      return () => uniforms[at++ % uniforms.length] as number;
    };
    expect(colorJitter(image, { brightness: 0, contrast: 0, saturation: 0, hue: 0 }, draw()).data).toEqual(image.data);
    const changed = colorJitter(image, { brightness: 0.5, contrast: 0.5, saturation: 0.5, hue: 0.2 }, draw());
    expect(changed.data).not.toEqual(image.data);
    expect(colorJitter(image, { brightness: 0.5, contrast: 0.5, saturation: 0.5, hue: 0.2 }, draw()).data).toEqual(changed.data);
  });
});

describe("random crops", () => {
  it("lie inside the picture, with area and ratio as asked where a try succeeds", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 400 }), fc.integer({ min: 1, max: 400 }), fc.array(fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }), { minLength: 1 }), (width, height, uniforms) => {
        let at = 0;
        const box = randomCropBox(width, height, { scale: [0.2, 0.9], ratio: [3 / 4, 4 / 3] }, () => uniforms[at++ % uniforms.length] as number);
        expect(box.left).toBeGreaterThanOrEqual(0);
        expect(box.top).toBeGreaterThanOrEqual(0);
        expect(box.left + box.width).toBeLessThanOrEqual(width);
        expect(box.top + box.height).toBeLessThanOrEqual(height);
        expect(Math.min(box.width, box.height)).toBeGreaterThanOrEqual(1);
      }),
    );
    let at = 0;
    // Area 0.5 of 100 x 100, ratio 1: 71 x 71, at 29·0.5 from the top and 29·0.25 from the left.
    expect(randomCropBox(100, 100, { scale: [0, 1], ratio: [0.5, 2] }, () => [0.5, 0.5, 0.5, 0.25][at++] as number)).toEqual({ left: 7, top: 15, width: 71, height: 71 });
  });

  it("fall back to the middle of a strip that no try fits", () => {
    expect(randomCropBox(400, 10, { scale: [0.9, 1], ratio: [3 / 4, 4 / 3] }, () => 0.5)).toEqual({ left: 193, top: 0, width: 13, height: 10 });
  });

  it("cut and mirror pixels where they are", () => {
    const numbered = { width: 3, height: 2, data: Uint8Array.from({ length: 18 }, (_, i) => i) };
    expect(cropped(numbered, { left: 1, top: 1, width: 2, height: 1 })).toEqual({ width: 2, height: 1, data: Uint8Array.of(12, 13, 14, 15, 16, 17) });
    expect([...mirrored(numbered).data]).toEqual([6, 7, 8, 3, 4, 5, 0, 1, 2, 15, 16, 17, 12, 13, 14, 9, 10, 11]);
  });
});
