import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { ConfigError, loadSiglip } from "../src/index.js";
import { goldenTensors } from "./golden-tensors.js";
import { goldenPath } from "./goldens.js";

// Reference: transformers' Siglip2Model in float32, by tools/reference/siglip/naflex.py.
const patchTolerance = 2e-4;
const embeddingTolerance = 1e-4;
const logitTolerance = 1e-2;

const photos = ["photo.jpg", "photo-crop.png", "photo-tall.png"].map(goldenPath);

function furthest(got: Float32Array, want: ArrayLike<number>): number {
  expect(got.length).toBe(want.length);
  return got.reduce<number>((most, value, i) => Math.max(most, Math.abs(value - (want[i] as number))), 0);
}

function unit(rows: Float32Array, width: number): Float32Array {
  return rows.map((value, i) => value / Math.hypot(...rows.subarray(i - (i % width), i - (i % width) + width)));
}

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "siglip2-test-"));
});
afterAll(() => rm(folder, { recursive: true }));

let copies = 0;

/** A copy of the golden with changes to its two configurations. */
async function checkpoint(change: { config?: object; vision?: object; preprocessor?: object }): Promise<string> {
  const directory = path.join(folder, String(copies++));
  await cp(goldenPath("siglip2-naflex"), directory, { recursive: true });
  const edit = async (name: string, to: (value: Record<string, object>) => object): Promise<void> => {
    const file = path.join(directory, name);
    await writeFile(file, JSON.stringify(to(JSON.parse(await readFile(file, "utf8")) as Record<string, object>)));
  };
  await edit("config.json", (value) => ({ ...value, vision_config: { ...value["vision_config"], ...change.vision }, ...change.config }));
  await edit("preprocessor_config.json", (value) => ({ ...value, ...change.preprocessor }));
  return directory;
}

describe.each([
  ["siglip2-naflex", 40],
  ["siglip2-naflex-72", 15],
])("loadSiglip of %s", (model, maxPatches) => {
  const golden = goldenTensors(`${model}/outputs.safetensors`);
  const floats = (name: string): Float32Array => golden.get(name)?.data as Float32Array;

  it("encodes photos of three shapes in one batch as transformers does", async () => {
    await using siglip = await loadSiglip(goldenPath(model), { threads: 1 });
    const { patchTokens, pooled, patches, width, grids } = await siglip.encodeImages(photos);
    expect(patches).toBe(maxPatches);
    expect(grids.flatMap(({ rows, columns }) => [rows, columns])).toEqual(Array.from(golden.get("spatial_shapes")?.data as BigInt64Array, Number));
    expect(furthest(patchTokens, floats("patch_tokens"))).toBeLessThan(patchTolerance);
    expect(furthest(pooled, floats("image_pooled"))).toBeLessThan(patchTolerance);
    expect(furthest(unit(pooled, width), floats("image_embeddings"))).toBeLessThan(embeddingTolerance);
  });

  it("gives transformers' logits for photos and token ids", async () => {
    await using siglip = await loadSiglip(goldenPath(model), { threads: 1 });
    const tokens = golden.get("input_ids");
    const { pooled, pooledWidth } = await siglip.encodeImages(photos);
    const texts = await siglip.encodeTokens({ ids: tokens?.data as BigInt64Array, shape: tokens?.shape as [number, number] });
    expect(furthest(unit(texts, pooledWidth), floats("text_embeddings"))).toBeLessThan(embeddingTolerance);
    expect(furthest(siglip.logits(pooled, texts), floats("logits_per_image"))).toBeLessThan(logitTolerance);
  });

  it("gives each image of a long batch what it gets alone, whatever grids are beside it", async () => {
    await using siglip = await loadSiglip(goldenPath(model), { threads: 1 });
    const alone = [];
    for (const photo of photos) alone.push(await siglip.encodeImages([photo]));
    const images = Array.from({ length: 10 }, (_, i) => photos[i % 3] as string);
    const { patchTokens, pooled, patches, width } = await siglip.encodeImages(images);
    for (const i of images.keys()) {
      const own = alone[i % 3] as (typeof alone)[number];
      expect(furthest(pooled.subarray(i * width, (i + 1) * width), own.pooled)).toBeLessThan(1e-5);
      expect(furthest(patchTokens.subarray(i * patches * width, (i + 1) * patches * width), own.patchTokens)).toBeLessThan(1e-5);
    }
  });
});

describe("maxPatches", () => {
  it("is room for more or fewer patches than the file's number", async () => {
    await using wide = await loadSiglip(goldenPath("siglip2-naflex"), { maxPatches: 90 });
    const more = await wide.encodeImages([photos[0] as string]);
    expect([more.patches, more.grids]).toEqual([90, [{ rows: 8, columns: 11 }]]);
    await using narrow = await loadSiglip(goldenPath("siglip2-naflex"), { maxPatches: 1 });
    expect((await narrow.encodeImages(photos)).grids).toEqual([1, 2, 3].map(() => ({ rows: 1, columns: 1 })));
  });

  it("changes no image whose grid is the same: only the padding grows", async () => {
    const photo = photos[2] as string;
    await using siglip = await loadSiglip(goldenPath("siglip2-naflex"), { threads: 1, maxPatches: 33 });
    await using padded = await loadSiglip(goldenPath("siglip2-naflex"), { threads: 1 });
    const [tight, loose] = [await siglip.encodeImages([photo]), await padded.encodeImages([photo])];
    expect([tight.grids, loose.grids]).toEqual([[{ rows: 11, columns: 3 }], [{ rows: 11, columns: 3 }]]);
    expect(furthest(tight.pooled, loose.pooled)).toBeLessThan(1e-5);
    expect(furthest(tight.patchTokens, loose.patchTokens.subarray(0, 33 * loose.width))).toBeLessThan(1e-5);
  });

  it.each([0, -1, 2.5, 16_385, Number.NaN])("refuses %d patches", async (maxPatches) => {
    await expect(loadSiglip(goldenPath("siglip2-naflex"), { maxPatches })).rejects.toThrow(new RangeError(`loadSiglip: expected maxPatches from 1 to 16384, got ${maxPatches}`));
  });

  it("is refused by a checkpoint of one resolution, as imageSize is by NaFlex", async () => {
    const fixed = loadSiglip(goldenPath("siglip-sharded"), { maxPatches: 64 });
    await expect(fixed).rejects.toThrow(ConfigError);
    await expect(fixed).rejects.toThrow(/config\.json: expected no maxPatches for model_type "siglip", got 64; imageSize sets the size of its images$/);
    await expect(loadSiglip(goldenPath("siglip2-naflex"), { imageSize: 256 })).rejects.toThrow(
      /config\.json: expected no imageSize for model_type "siglip2", got 256; maxPatches sets the size of its images$/,
    );
  });
});

describe("a NaFlex checkpoint whose files disagree", () => {
  it.each([
    ["a processor of one size", { preprocessor: { size: { height: 224, width: 224 } } }, /preprocessor_config\.json: size: expected none: .*"siglip", got {"height":224,"width":224}$/],
    ["another patch size", { preprocessor: { patch_size: 16 } }, /preprocessor_config\.json: patch_size: expected the tower's 8, got 16; take both files from one checkpoint$/],
    ["the other generation's model_type", { config: { model_type: "siglip" } }, /max_num_patches: expected none: this is a NaFlex processor, which goes with model_type "siglip2", got 40$/],
    ["positions in no square", { vision: { num_patches: 15 } }, /vision_config\.num_patches: expected a square number.*got 15$/],
    ["another number of positions", { vision: { num_patches: 25 } }, /"vision_model\.embeddings\.position_embedding\.weight": expected the shape \[25, 32\] by the configuration, got \[16, 32\]$/],
    ["a tower without its head", { vision: { vision_use_head: false } }, /vision_use_head: expected true, got false/],
  ])("is refused: %s", async (_, change, message) => {
    await expect(loadSiglip(await checkpoint(change))).rejects.toThrow(message);
  });

  it("is no hindrance to its text tower", async () => {
    await using siglip = await loadSiglip(await checkpoint({ vision: { vision_use_head: false } }), { towers: ["text"] });
    expect(await siglip.encodeTokens({ ids: new BigInt64Array(16).fill(5n), shape: [1, 16] })).toHaveLength(32);
  });
});
