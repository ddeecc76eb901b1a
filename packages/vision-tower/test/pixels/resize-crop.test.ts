import { describe, expect, it } from "vitest";
import fc from "fast-check";

import { openOpenClipCheckpoint } from "../../src/families/open-clip.js";
import { parseCropPreprocessorConfig } from "../../src/config/crop-preprocessor-config.js";
import { decodeImage, type DecodedImage } from "../../src/pixels/decode-image.js";
import { atSide, centerCrop, preprocessCropped, resizedForCrop, type CropPreprocessing } from "../../src/pixels/resize-crop.js";
import { goldenTensors } from "../golden-tensors.js";
import { goldenJson, goldenPath } from "../goldens.js";

// References: transformers' CLIPImageProcessorPil and BitImageProcessorPil, torchvision as open_clip uses it, Pillow.
const photos = ["photo.jpg", "photo-crop.png", "photo-tall.png"].map((name) => decodeImage(goldenPath(name)));

describe("preprocessCropped", () => {
  it.each(["clip-openai", "clip-vision", "dinov2", "dinov2-registers", "dinov2-giant"])("makes transformers' very bits for %s", async (model) => {
    const how = parseCropPreprocessorConfig(goldenJson(`${model}/preprocessor_config.json`), "preprocessor_config.json");
    const golden = goldenTensors(`${model}/outputs.safetensors`).get("pixel_values")!;
    const batch = preprocessCropped(await Promise.all(photos), how);
    expect(batch.shape).toEqual(golden.shape);
    expect(batch.data).toEqual(golden.data);
  });

  it.each(["eva02-clip", "open-clip"])("makes open_clip's pixels for %s", async (model) => {
    const { vision, close } = await openOpenClipCheckpoint(goldenPath(model), { towers: ["vision"] });
    const golden = goldenTensors(`${model}/outputs.safetensors`).get("pixel_values")!;
    const { data, shape } = vision!.prepare(await Promise.all(photos)).feeds["pixels"]!;
    await close();
    expect(shape).toEqual(golden.shape);
    // torch divides by 255 where transformers multiplies with its inverse: a last bit.
    const furthest = Array.from(data as Float32Array).reduce((most, value, i) => Math.max(most, Math.abs(value - Number(golden.data[i]))), 0);
    expect(furthest).toBeLessThan(5e-7);
  });

  it("refuses a buffer of another size", () => {
    const how = parseCropPreprocessorConfig({}, "preprocessor_config.json");
    expect(() => preprocessCropped([], how, new Float32Array(1))).toThrow("preprocessCropped: expected a buffer of 0x3x224x224 = 0 values, got 1");
  });
});

/** Red counts rows and green counts columns, from 1. */
function numbered(width: number, height: number): DecodedImage {
  const data = new Uint8Array(width * height * 3);
  for (let i = 0; i < width * height; i++) data.set([Math.floor(i / width) + 1, (i % width) + 1, 0], i * 3);
  return { width, height, data };
}

describe("centerCrop", () => {
  type Case = { width: number; height: number; side: number; halfPixel: CropPreprocessing["halfPixel"]; rows: number[]; columns: number[] };
  it.each(goldenJson<Case[]>("crops.json"))("cuts where the reference does: $width x $height to $side, half a pixel $halfPixel", ({ width, height, side, halfPixel, rows, columns }) => {
    const { data } = centerCrop(numbered(width, height), side, halfPixel);
    const row = (y: number): number => Math.max(...rows.map((_, x) => data[(y * side + x) * 3] as number));
    const column = (x: number): number => Math.max(...rows.map((_, y) => data[(y * side + x) * 3 + 1] as number));
    expect(rows.map((_, y) => row(y))).toEqual(rows);
    expect(columns.map((_, x) => column(x))).toEqual(columns);
  });

  it("returns an image of the size itself", () => {
    const image = numbered(4, 4);
    expect(centerCrop(image, 4, "down")).toBe(image);
  });
});

describe("resizedForCrop", () => {
  const how = parseCropPreprocessorConfig({ size: { shortest_edge: 12 }, crop_size: 8 }, "preprocessor_config.json");

  it("makes the shorter side the edge, and cuts the longer one's fraction off", () => {
    expect(resizedForCrop(numbered(50, 30), how)).toMatchObject({ width: 20, height: 12 });
    expect(resizedForCrop(numbered(30, 59), how)).toMatchObject({ width: 12, height: 23 });
  });

  it("changes nothing the second time", () => {
    const side = fc.integer({ min: 1, max: 40 });
    fc.assert(
      fc.property(side, side, (width, height) => {
        const once = resizedForCrop(numbered(width, height), how);
        expect(resizedForCrop(once, how).data).toBe(once.data);
      }),
    );
  });

  it("keeps the share that is cut off when a tower sees another square", () => {
    expect(atSide(how, 16)).toMatchObject({ side: 16, resize: { edge: 24 } });
    expect(atSide({ ...how, resize: null }, 16)).toMatchObject({ side: 16, resize: null });
  });
});
