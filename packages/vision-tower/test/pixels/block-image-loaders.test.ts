import sharp from "sharp";
import { describe, expect, it } from "vitest";

import { blockUnusedImageLoaders } from "../../src/pixels/block-image-loaders.js";
import { decodeImage } from "../../src/pixels/decode-image.js";
import { goldenPath } from "../goldens.js";

// sharp's block list is the process's, and vitest gives each test file a process of its own.
describe("blockUnusedImageLoaders", () => {
  const svg = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="4" height="4"/>');

  it("leaves others' use of sharp alone until it is called, and then closes what decodeImage does not use", async () => {
    await decodeImage(goldenPath("photo.jpg"));
    await expect(sharp(svg).metadata()).resolves.toMatchObject({ format: "svg" });
    await expect(sharp(goldenPath("photo.jpg")).metadata()).resolves.toMatchObject({ format: "jpeg" });

    blockUnusedImageLoaders();
    await expect(sharp(svg).metadata()).rejects.toThrow();
    await expect(sharp(goldenPath("photo.jpg")).metadata()).rejects.toThrow();
  });

  it("keeps every format that decodeImage reads", async () => {
    for (const name of ["rgb.png", "grey.jpg", "rgb.webp", "animated.gif", "rgb.tiff", "rgb.avif"]) {
      expect(await decodeImage(goldenPath(`decode/${name}`)), name).toMatchObject({ width: 24, height: 16 });
    }
  });
});
