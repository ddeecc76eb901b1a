import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { describe, expect, it } from "vitest";

import type { DecodedImage } from "../../src/pixels/decode-image.js";
import type { ResampleFilter } from "../../src/pixels/resample-filter.js";
import { resamplePlain } from "../../src/pixels/resample-plain.js";
import { resampleSimd } from "../../src/pixels/resample-simd.js";

/** Bytes 0 and 255 are as frequent as all others together, so that overshoot is clamped on both sides. */
function noise(width: number, height: number, seed: number): DecodedImage {
  const data = new Uint8Array(width * height * 3);
  let state = seed;
  for (let i = 0; i < data.length; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    const kind = (state >>> 20) & 3;
    data[i] = kind === 0 ? 0 : kind === 1 ? 255 : state >>> 24;
  }
  return { width, height, data };
}

const filter = fc.constantFrom<ResampleFilter>("bilinear", "bicubic", "lanczos");

describe("resampleSimd", () => {
  it("gives the plain version's bits, whatever the sizes and the filter", () => {
    const small = fc.integer({ min: 1, max: 40 });
    const size = fc.oneof(small, fc.integer({ min: 1, max: 400 }));
    fc.assert(
      fc.property(size, size, size, size, filter, fc.nat(), (width, height, outWidth, outHeight, how, seed) => {
        const image = noise(width, height, seed);
        const got = resampleSimd(image, outWidth, outHeight, how);
        const want = resamplePlain(image, outWidth, outHeight, how);
        expect([got?.width, got?.height]).toEqual([outWidth, outHeight]);
        expect(Buffer.compare(got?.data as Uint8Array, want.data)).toBe(0);
      }),
      { numRuns: 300 },
    );
  });

  it.each([
    [65_535, 1, 7, 3],
    [1, 65_535, 3, 7],
    [1, 1, 1000, 1000],
    [2000, 3, 3, 2000],
    [384, 1000, 384, 384],
    [1000, 384, 384, 384],
    [2000, 4000, 2000, 50],
  ])("gives them for %dx%d to %dx%d too", (width, height, outWidth, outHeight) => {
    for (const how of ["bilinear", "bicubic", "lanczos"] as const) {
      const image = noise(width, height, 7);
      const got = resampleSimd(image, outWidth, outHeight, how);
      expect(Buffer.compare(got?.data as Uint8Array, resamplePlain(image, outWidth, outHeight, how).data)).toBe(0);
    }
  });

  it("does not let one image leave anything behind for the next, larger or smaller", () => {
    const sizes = [[300, 200], [3, 2], [301, 7], [50, 400]] as const;
    const alone = sizes.map(([width, height]) => resamplePlain(noise(width, height, 3), 31, 33, "lanczos").data);
    for (const _ of [1, 2]) {
      const again = sizes.map(([width, height]) => resampleSimd(noise(width, height, 3), 31, 33, "lanczos")?.data);
      expect(again).toEqual(alone);
    }
  });

  it("leaves an image that would need much memory to the plain version", () => {
    expect(resampleSimd(noise(2, 12_000, 1), 1000, 11_999, "bilinear")).toBeUndefined();
  });
});

const root = fileURLToPath(new URL("../../", import.meta.url));

describe("the kernel's bytes", () => {
  it("are what its source compiles to", () => {
    const check = spawnSync(process.execPath, ["kernels/build-kernel.mjs", "--check"], { cwd: root, encoding: "utf8" });
    expect([check.status, check.stderr]).toEqual([0, ""]);
  });
});
