import { readFile } from "node:fs/promises";
import { setImmediate } from "node:timers/promises";
import { ImageError, type DecodedImage } from "@sightline/vision-tower";
import { describe, expect, it } from "vitest";

import { embedImageBatches, embedImages, embedTexts, sampleKey, type ImageTower, type TextTower } from "../../src/embed/embed-inputs.js";
import { golden } from "../command.js";

const dot: DecodedImage = { width: 1, height: 1, data: Uint8Array.of(3, 4, 0) };

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

/** A tower whose embedding is the first pixel, and that notes the sizes of its batches. */
function pixelTower(batches: number[] = []): ImageTower {
  return {
    encodeImages: async (images) => {
      batches.push(images.length);
      const pooled = Float32Array.from(images.flatMap((image) => [...(image as DecodedImage).data.subarray(0, 2)]));
      return { pooled, pooledWidth: 2, patchTokens: new Float32Array(0), batch: images.length, patches: 0, width: 2, grids: [] };
    },
  };
}

describe("embedImages", () => {
  it("gives unit embeddings by default, the tower's own on request, and failures in between", async () => {
    const inputs = ["nowhere.png", dot, await readFile(golden("decode/rgb.png"))];
    const results = await collect(embedImages(pixelTower(), inputs));
    expect(results.map(({ path }) => path)).toEqual(["nowhere.png", "#1", "#2"]);
    expect(results[0]).toMatchObject({ error: expect.any(ImageError) });
    expect((results[1] as { embedding: Float32Array }).embedding).toEqual(Float32Array.of(0.6, 0.8));
    const raw = await collect(embedImages(pixelTower(), [dot], { normalize: false }));
    expect(raw).toEqual([{ key: "#0", path: "#0", embedding: Float32Array.of(3, 4) }]);
  });

  it("fills every batch but the last, whatever fails in between", async () => {
    const batches: number[] = [];
    const inputs = Array.from({ length: 20 }, (_, i) => (i % 3 === 0 ? `nowhere-${i}.png` : dot));
    const results = await collect(embedImages(pixelTower(batches), inputs, { batch: 5 }));
    expect(results).toHaveLength(20);
    expect(batches).toEqual([5, 5, 3]);
  });

  it("throws the first failure when strict, after what was embedded before it", async () => {
    const got: string[] = [];
    const run = async (): Promise<void> => {
      for await (const { path } of embedImages(pixelTower(), [dot, dot, "nowhere.png", dot], { batch: 1, strict: true })) got.push(path);
    };
    await expect(run()).rejects.toThrow(/nowhere\.png: no such file/);
    expect(got).toEqual(["#0", "#1"]);
  });

  it("ends with the tower's own error", async () => {
    const broken: ImageTower = { encodeImages: () => Promise.reject(new Error("out of memory")) };
    await expect(collect(embedImages(broken, [dot]))).rejects.toThrow("out of memory");
  });

  it("decodes the next images while the tower runs", async () => {
    const asked: number[] = [];
    const images = async function* (): AsyncGenerator<DecodedImage> {
      for (let i = 0; i < 8; i++) {
        asked.push(i);
        yield dot;
      }
    };
    let askedDuringFirstRun = 0;
    const tower = pixelTower();
    const slow: ImageTower = {
      encodeImages: async (batch) => {
        for (let i = 0; i < 100; i++) await setImmediate();
        askedDuringFirstRun ||= asked.length;
        return tower.encodeImages(batch);
      },
    };
    for await (const _ of embedImages(slow, images(), { batch: 2 }));
    expect(askedDuringFirstRun).toBeGreaterThan(4);
  });

  it("hands over the batch in the tower, then stops at the signal", async () => {
    const controller = new AbortController();
    const tower = pixelTower();
    const aborting: ImageTower = {
      encodeImages: async (images) => {
        controller.abort(new Error("enough"));
        return tower.encodeImages(images);
      },
    };
    const got: number[] = [];
    const run = async (): Promise<void> => {
      for await (const { rows } of embedImageBatches(aborting, Array.from({ length: 9 }, (_, i) => ({ key: `${i}`, path: `${i}`, image: dot })), { batch: 2, signal: controller.signal })) got.push(rows.length);
    };
    await expect(run()).rejects.toThrow("enough");
    expect(got).toEqual([2]);
  });

  it("hands on thousands of failures without waiting for a batch", async () => {
    const inputs = Array.from({ length: 600 }, (_, i) => ({ key: `${i}`, path: `${i}`, error: new ImageError("empty", `${i}`, "has 0 bytes") }));
    const sizes: number[] = [];
    for await (const { failures } of embedImageBatches(pixelTower(), inputs)) sizes.push(failures.length);
    expect(sizes).toEqual([256, 256, 88]);
  });

  it("refuses a batch of none", () => {
    expect(() => embedImages(pixelTower(), [dot], { batch: 0 })).toThrow("expected a batch of at least 1, got 0");
  });
});

describe("embedTexts", () => {
  it("gives an embedding a text, in order", async () => {
    const tower: TextTower = { encodeTexts: async (texts) => Float32Array.from(texts.flatMap((text) => [text.length, 0])) };
    const results = await collect(embedTexts(tower, ["a", "bbb"], { normalize: false }));
    expect(results).toEqual([
      { key: "0", path: "#0", text: "a", embedding: Float32Array.of(1, 0) },
      { key: "1", path: "#1", text: "bbb", embedding: Float32Array.of(3, 0) },
    ]);
  });
});

describe("sampleKey", () => {
  it.each([
    ["a/b.c/d.left.jpg", "a/b.c/d"],
    ["d.jpg", "d"],
    ["d", "d"],
    ["a.b/.hidden.jpg", "a.b/.hidden"],
  ])("of %s is %s", (path, key) => {
    expect(sampleKey(path)).toBe(key);
  });
});
