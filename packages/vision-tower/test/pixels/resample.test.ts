import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import fc from "fast-check";

import { decodeImage } from "../../src/pixels/decode-image.js";
import type { DecodedImage } from "../../src/pixels/decode-image.js";
import { resample } from "../../src/pixels/resample.js";
import { heightFirst } from "../../src/pixels/pass-order.js";
import { resamplePlain } from "../../src/pixels/resample-plain.js";
import type { ResampleFilter } from "../../src/pixels/resample-filter.js";
import { goldenJson, goldenPath } from "../goldens.js";

interface Golden {
  source: "photo" | "pattern";
  from: [number, number];
  to: [number, number];
  filter: ResampleFilter;
  sha256: string;
  rgb?: string;
}

/** The formula of tools/reference/siglip/resampling.py. */
function pattern(width: number, height: number): DecodedImage {
  const data = new Uint8Array(width * height * 3);
  let at = 0;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let c = 0; c < 3; c++) {
        const value = (x * 31 + y * 17 + c * 101) ^ (x * y);
        data[at++] = (value & 64) !== 0 ? value & 255 : (value & 1) * 255;
      }
    }
  }
  return { width, height, data };
}

function solid(width: number, height: number, value: number): DecodedImage {
  return { width, height, data: new Uint8Array(width * height * 3).fill(value) };
}

const filter = fc.constantFrom<ResampleFilter>("bilinear", "bicubic", "lanczos");

describe("resample", () => {
  const goldens = goldenJson<Golden[]>("resample.json");

  it.each(goldens.map((golden) => [`${golden.source} ${golden.from.join("x")} to ${golden.to.join("x")} ${golden.filter}`, golden] as const))(
    "has Pillow's bits: %s",
    async (_, { source, from, to, filter, sha256, rgb }) => {
      const image = source === "photo" ? await decodeImage(goldenPath("photo-crop.png")) : pattern(...from);
      expect([image.width, image.height]).toEqual(from);
      const out = resample(image, to[0], to[1], filter);
      expect([out.width, out.height]).toEqual(to);
      if (rgb !== undefined) expect(Buffer.from(out.data).toString("base64")).toBe(rgb);
      expect(createHash("sha256").update(out.data).digest("hex")).toBe(sha256);
      const first = heightFirst(image, to[0], to[1]) ? resamplePlain(image, from[0], to[1], filter) : image;
      expect(Buffer.compare(resamplePlain(first, to[0], to[1], filter).data, out.data)).toBe(0);
    },
  );

  it("keeps a flat colour flat, whatever the sizes", () => {
    const size = fc.integer({ min: 1, max: 60 });
    fc.assert(
      fc.property(size, size, size, size, filter, fc.integer({ min: 0, max: 255 }), (width, height, outWidth, outHeight, how, value) => {
        const out = resample(solid(width, height, value), outWidth, outHeight, how);
        expect(out.data.length).toBe(outWidth * outHeight * 3);
        expect(out.data.every((v) => v === value)).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  it("does not change its input", () => {
    const image = pattern(20, 10);
    const before = image.data.slice();
    resample(image, 7, 23, "bicubic");
    expect(image.data).toEqual(before);
  });

  it("rejects sizes that are not positive integers, and data that does not fit the size", () => {
    const image = solid(2, 2, 0);
    expect(() => resample(image, 0, 2, "bicubic")).toThrow("resample: expected outWidth to be an integer from 1 to 65535, got 0");
    expect(() => resample(image, 2, 2.5, "bicubic")).toThrow(/outHeight .* got 2\.5/);
    expect(() => resample({ ...image, width: 3 }, 4, 4, "bicubic")).toThrow("expected 3x2x3 = 18 bytes of pixels, got 12");
    expect(() => resample(image, 4, 4, "toString" as ResampleFilter)).toThrow("expected filter to be one of bilinear, bicubic, lanczos, got toString");
  });
});
