import { describe, expect, it } from "vitest";

import { decodeImage } from "../../src/pixels/decode-image.js";
import { normalize } from "../../src/pixels/normalize.js";
import { preprocess } from "../../src/pixels/preprocess.js";
import { goldenPath } from "../goldens.js";

const half = { mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5], rescale: 1 / 255 } as const;

describe("normalize", () => {
  it("separates the channels into planes and maps 0..255 to -1..1", () => {
    const out = new Float32Array(6);
    normalize({ width: 2, height: 1, data: Uint8Array.of(0, 255, 51, 255, 0, 204) }, half, out);
    expect([...out].map((v) => Number(v.toFixed(6)))).toEqual([-1, 1, 1, -1, -0.6, 0.6]);
  });

  it("uses each channel's own mean and std, and writes at its offset only", () => {
    const out = new Float32Array(5).fill(9);
    normalize({ width: 1, height: 1, data: Uint8Array.of(10, 20, 30) }, { mean: [1, 2, 3], std: [1, 2, 4], rescale: 1 }, out, 1);
    expect([...out]).toEqual([9, 9, 9, 6.75, 9]);
  });

  it("refuses a buffer without room", () => {
    const image = { width: 2, height: 2, data: new Uint8Array(12) };
    expect(() => normalize(image, half, new Float32Array(12), 1)).toThrow("normalize: expected room for 12 values from offset 1, got a buffer of 12");
  });
});

describe("preprocess", () => {
  it("squashes every image into one batch, in order, into the buffer that it is given", async () => {
    const images = [await decodeImage(goldenPath("photo.jpg")), await decodeImage(goldenPath("photo-crop.png"))];
    const how = { ...half, width: 10, height: 8, filter: "bicubic" } as const;
    const out = new Float32Array(2 * 3 * 8 * 10);
    const batch = preprocess(images, how, out);
    expect(batch.data).toBe(out);
    expect(batch.shape).toEqual([2, 3, 8, 10]);
    for (const [i, image] of images.entries()) {
      expect(preprocess([image], how).data).toEqual(out.slice(i * 240, (i + 1) * 240));
    }
  });

  it("refuses a buffer of another size, and without resizing an image of another size", () => {
    const image = { width: 2, height: 2, data: new Uint8Array(12) };
    const how = { ...half, width: 4, height: 2, filter: null };
    expect(() => preprocess([image], { ...how, filter: "bilinear" }, new Float32Array(12))).toThrow("expected a buffer of 1x3x2x4 = 24 values, got 12");
    expect(() => preprocess([image], how)).toThrow("preprocess: expected an image of 4x2, because do_resize is false, got 2x2");
    expect(preprocess([], how).shape).toEqual([0, 3, 2, 4]);
  });
});
