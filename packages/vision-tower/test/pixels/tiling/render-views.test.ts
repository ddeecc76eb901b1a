import fc from "fast-check";
import { describe, expect, it } from "vitest";

import { anyresPlan, gemma3Plan, idefics3Plan, lfm2Plan, minicpmPlan, renderViews, resample, type DecodedImage, type ImagePlan, type PreprocessingStyle } from "../../../src/index.js";

function picture(width: number, height: number): DecodedImage {
  return { width, height, data: Uint8Array.from({ length: width * height * 3 }, (_, i) => (i * 7) % 251) };
}

describe("renderViews", () => {
  it("crops and pads where it is told to", () => {
    const image = picture(3, 2);
    const [cropped, padded, same] = renderViews(image, [
      [{ type: "crop", left: 1, top: 0, width: 2, height: 1 }],
      [{ type: "crop", left: 2, top: 1, width: 1, height: 1 }, { type: "pad", left: 1, top: 0, width: 2, height: 2, color: [9, 8, 7] }],
      [],
    ]);
    expect([...(cropped?.data ?? [])]).toEqual([...image.data.subarray(3, 9)]);
    expect([...(padded?.data ?? [])]).toEqual([9, 8, 7, ...image.data.subarray(15, 18), 9, 8, 7, 9, 8, 7]);
    expect(same).toBe(image);
  });

  it("does steps that views share once", () => {
    const shared = { type: "resize", width: 8, height: 8, filter: "bicubic" } as const;
    const [first, second, tile] = renderViews(picture(5, 5), [[shared], [shared], [shared, { type: "crop", left: 4, top: 4, width: 4, height: 4 }]]);
    expect(second).toBe(first);
    expect(first).toEqual(resample(picture(5, 5), 8, 8, "bicubic"));
    expect(tile).toMatchObject({ width: 4, height: 4 });
  });

  it("resizes the width before the height where that is asked for, whatever the picture's shape", () => {
    const tall = picture(9, 60);
    const size = { width: 7, height: 8 };
    const [pillow, llama] = renderViews(tall, [[{ type: "resize", ...size, filter: "bicubic" }], [{ type: "resize", ...size, filter: "bicubic", widthFirst: true }]]);
    expect(pillow).toEqual(resample(resample(tall, 9, 8, "bicubic"), 7, 8, "bicubic"));
    expect(llama).toEqual(resample(resample(tall, 7, 60, "bicubic"), 7, 8, "bicubic"));
    expect(llama?.data).not.toEqual(pillow?.data);
  });

  it.each([
    [{ type: "crop", left: 2, top: 0, width: 2, height: 1 }, /expected a crop inside 3x2, got 2x1 at 2, 0/],
    [{ type: "pad", left: 1, top: 0, width: 3, height: 2, color: [0, 0, 0] }, /expected a canvas that holds 3x2 at 1, 0, got 3x2/],
  ] as const)("refuses %o", (step, message) => {
    expect(() => renderViews(picture(3, 2), [[step]])).toThrow(message);
  });
});

describe("every plan of every picture", () => {
  const style = fc.constantFrom<PreprocessingStyle>("huggingface", "llama.cpp");
  const square = (side: number) => (width: number, height: number): boolean => width === side && height === side;
  const whole = (unit: number) => (width: number, height: number): boolean => width % unit === 0 && height % unit === 0 && width > 0 && height > 0;
  const sides = [1, 2, 3].map((n) => 16 * n);
  const sizes = sides.flatMap((height) => sides.map((width) => ({ width, height })));

  it.each<readonly [string, (size: { width: number; height: number }, preprocessing: PreprocessingStyle, tiling: boolean) => ImagePlan, (width: number, height: number) => boolean]>([
    ["gemma3Plan", (size, preprocessing, tiling) => gemma3Plan(size, { side: 16, preprocessing, ...(tiling ? { panAndScan: { minCrop: 8 } } : {}) }), square(16)],
    ["idefics3Plan", (size, preprocessing, tiling) => idefics3Plan(size, { side: 16, longestEdge: 60, preprocessing, tiling }), square(16)],
    ["anyresPlan", (size, preprocessing, tiling) => anyresPlan(size, { side: 16, sizes, preprocessing, tiling }), square(16)],
    ["lfm2Plan", (size, preprocessing, tiling) => lfm2Plan(size, { patchSize: 2, minTokens: 4, maxTokens: 16, tile: 8, preprocessing, tiling }), whole(4)],
    ["minicpmPlan", (size, preprocessing, tiling) => minicpmPlan(size, { side: 16, patchSize: 2, preprocessing, tiling }), whole(2)],
  ])("%s can be carried out, gives the tower what it takes, and reads every view once", (_, plan, taken) => {
    fc.assert(fc.property(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: 60 }), style, fc.boolean(), (width, height, preprocessing, tiling) => {
      // Flatter pictures have slices without height in MiniCPM's own code too.
      fc.pre(Math.max(width, height) / Math.min(width, height) < 8);
      const { views, layout } = plan({ width, height }, preprocessing, tiling);
      for (const view of renderViews(picture(width, height), views)) expect(taken(view.width, view.height)).toBe(true);
      const read = layout.flatMap((part) => {
        if (part.type === "view" || part.type === "view-newline") return [part.view];
        return part.type === "anyres" ? Array.from({ length: 1 + part.rows * part.columns }, (__, i) => part.overview + i) : [];
      });
      expect(read.toSorted((a, b) => a - b)).toEqual(views.map((__, i) => i));
      if (!tiling) expect(views).toHaveLength(1);
    }), { numRuns: 150, seed: 4 });
  });
});
