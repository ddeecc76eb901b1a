import { describe, expect, it } from "vitest";

import { loadSiglip } from "../src/index.js";
import { goldenTensors } from "./golden-tensors.js";
import { goldenPath } from "./goldens.js";

// Reference: transformers' SiglipVisionModel with interpolate_pos_encoding=True, by tools/reference/siglip/towers.py.
const patchTolerance = 2e-4;
const embeddingTolerance = 1e-4;

const photos = [goldenPath("photo.jpg"), goldenPath("photo-crop.png")];

function furthest(got: Float32Array, want: ArrayLike<number>): number {
  expect(got.length).toBe(want.length);
  return got.reduce<number>((most, value, i) => Math.max(most, Math.abs(value - (want[i] as number))), 0);
}

describe("imageSize", () => {
  it.each([
    ["siglip-sharded", 96, "larger than its 64", 6],
    ["siglip-sharded", 48, "smaller", 3],
    ["siglip-float16", 131, "of which the convolution drops 5", 9],
  ])("runs %s at %i pixels, %s, as transformers interpolates", async (model, imageSize, _, side) => {
    const golden = goldenTensors(`${model}/outputs-${imageSize}.safetensors`);
    await using siglip = await loadSiglip(goldenPath(model), { threads: 1, imageSize });
    const { patchTokens, pooled, patches, width, grids } = await siglip.encodeImages(photos);
    expect([patches, grids]).toEqual([side * side, [1, 2].map(() => ({ rows: side, columns: side }))]);
    expect(furthest(patchTokens, golden.get("patch_tokens")?.data as Float32Array)).toBeLessThan(patchTolerance);
    const unit = pooled.map((value, i) => value / Math.hypot(...pooled.subarray(i - (i % width), i - (i % width) + width)));
    expect(furthest(unit, golden.get("image_embeddings")?.data as Float32Array)).toBeLessThan(embeddingTolerance);
  });

  it("changes nothing at the checkpoint's own size", async () => {
    await using siglip = await loadSiglip(goldenPath("siglip-float16"), { threads: 1 });
    await using asked = await loadSiglip(goldenPath("siglip-float16"), { threads: 1, imageSize: 100 });
    expect((await asked.encodeImages(photos)).pooled).toEqual((await siglip.encodeImages(photos)).pooled);
  });

  it.each([15, 0, 64.5, 8193])("refuses %d pixels", async (imageSize) => {
    await expect(loadSiglip(goldenPath("siglip-sharded"), { imageSize })).rejects.toThrow(
      new RangeError(`loadSiglip: expected imageSize from 16, one patch, to 8192 pixels, got ${imageSize}`),
    );
  });
});
