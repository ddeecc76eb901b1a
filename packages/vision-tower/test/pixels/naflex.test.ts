import fc from "fast-check";
import { describe, expect, it } from "vitest";

import { loadSiglip2Config } from "../../src/config/load-siglip-config.js";
import { decodeImage } from "../../src/pixels/decode-image.js";
import { naflexGrid, preprocessNaflex, type NaflexPreprocessing } from "../../src/pixels/naflex.js";
import { goldenTensors } from "../golden-tensors.js";
import { goldenJson, goldenPath } from "../goldens.js";

const photos = ["photo.jpg", "photo-crop.png", "photo-tall.png"].map(goldenPath);

type Row = [height: number, width: number, patchSize: number, maxPatches: number, rows: number, columns: number];

describe("naflexGrid", () => {
  // Reference: transformers' get_image_size_for_max_num_patches, by tools/reference/siglip/naflex.py.
  it("chooses transformers' grid for every size, patch and budget of the goldens", () => {
    const golden = goldenJson<Row[]>("naflex-grids.json");
    const got = golden.map(([height, width, patchSize, maxPatches]) => {
      const { rows, columns } = naflexGrid(width, height, patchSize, maxPatches);
      return [height, width, patchSize, maxPatches, rows, columns];
    });
    expect(got).toEqual(golden);
  });

  it("stays within the budget, and gives every image a patch", () => {
    const side = fc.integer({ min: 1, max: 20_000 });
    fc.assert(
      fc.property(side, side, fc.integer({ min: 1, max: 64 }), fc.integer({ min: 1, max: 4096 }), (width, height, patchSize, budget) => {
        const { rows, columns } = naflexGrid(width, height, patchSize, budget);
        expect(Math.min(rows, columns)).toBeGreaterThanOrEqual(1);
        expect(rows * columns).toBeLessThanOrEqual(budget);
      }),
    );
  });
});

describe.each(["siglip2-naflex", "siglip2-naflex-72"])("preprocessNaflex for %s", (model) => {
  // Reference: transformers' Siglip2ImageProcessorPil.
  it("gives transformers' very bits, padding too, for images of three shapes", async () => {
    const { preprocessing } = await loadSiglip2Config(goldenPath(model));
    const golden = goldenTensors(`${model}/outputs.safetensors`);
    const { data, shape, grids } = preprocessNaflex(await Promise.all(photos.map((photo) => decodeImage(photo))), preprocessing);
    expect(grids.flatMap(({ rows, columns }) => [rows, columns])).toEqual(Array.from(golden.get("spatial_shapes")?.data as BigInt64Array, Number));
    expect(shape).toEqual(golden.get("pixel_values")?.shape);
    expect(data).toEqual(golden.get("pixel_values")?.data);
  });
});

describe("preprocessNaflex", () => {
  const whole: NaflexPreprocessing = { patchSize: 2, maxPatches: 3, filter: null, rescale: 1, mean: [0, 0, 0], std: [1, 1, 1] };

  it("cuts patches in the order row, column, channel, and pads with zeros", () => {
    // 4x2 pixels: two patches side by side, each value its own place.
    const image = { width: 4, height: 2, data: Uint8Array.from({ length: 24 }, (_, i) => i + 1) };
    const { data, grids } = preprocessNaflex([image], whole);
    expect(grids).toEqual([{ rows: 1, columns: 2 }]);
    expect([...data.subarray(0, 12)]).toEqual([1, 2, 3, 4, 5, 6, 13, 14, 15, 16, 17, 18]);
    expect([...data.subarray(12, 24)]).toEqual([7, 8, 9, 10, 11, 12, 19, 20, 21, 22, 23, 24]);
    expect([...data.subarray(24)]).toEqual(Array<number>(12).fill(0));
  });

  it("refuses, where it may not resize, what is not made of whole patches or of too many", () => {
    const image = (width: number, height: number): { width: number; height: number; data: Uint8Array } => ({ width, height, data: new Uint8Array(width * height * 3) });
    expect(() => preprocessNaflex([image(2, 2), image(3, 2)], whole)).toThrow("preprocessNaflex: expected image 1 to be at most 3 patches of 2x2, because do_resize is false, got 3x2");
    expect(() => preprocessNaflex([image(8, 2)], whole)).toThrow("got 8x2");
  });
});
