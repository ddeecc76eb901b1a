import { describe, expect, it } from "vitest";
import { loadVisionTower } from "../src/index.js";
import { cosineLogits } from "../src/cosine-logits.js";
import { goldenJson, goldenPath } from "./goldens.js";
import { goldenTensors, type GoldenTensor } from "./golden-tensors.js";

// References: transformers, and open_clip with timm, in float32, from image files and texts on; by tools/reference/siglip.
const patchTolerance = 2e-4;
const embeddingTolerance = 1e-4;
const photos = ["photo.jpg", "photo-crop.png", "photo-tall.png"].map(goldenPath);
const texts = goldenJson<{ text: string }[]>("tokenizers/gemma/expected.json").map(({ text }) => text);

function furthest(got: ArrayLike<number>, { data }: GoldenTensor): number {
  expect(got).toHaveLength(data.length);
  return Array.from(got).reduce((most, value, i) => Math.max(most, Math.abs(value - Number(data[i]))), 0);
}

function unitRows(values: ArrayLike<number | bigint>, width: number): Float32Array {
  return Float32Array.from(values, (value, i) => {
    const start = i - (i % width);
    const squares = Array.from({ length: width }, (_, d) => Number(values[start + d]) ** 2);
    return Number(value) / Math.sqrt(squares.reduce((sum, square) => sum + square, 0));
  });
}

function furthestUnit(got: ArrayLike<number>, { data, shape }: GoldenTensor): number {
  const width = shape.at(-1) as number;
  return furthest(unitRows(got, width), { shape, data: unitRows(data, width) });
}

const models = [
  { name: "clip-openai", patches: 16, width: 32, pooledWidth: 20 },
  { name: "clip-laion", patches: 16, width: 32, pooledWidth: 20, resized: 48 },
  { name: "clip-vision", patches: 9, width: 32, pooledWidth: 32, textless: true },
  { name: "dinov2", patches: 16, width: 32, pooledWidth: 32, textless: true },
  { name: "dinov2-registers", patches: 9, width: 32, pooledWidth: 32, textless: true },
  { name: "dinov2-giant", patches: 25, width: 20, pooledWidth: 20, textless: true },
  { name: "eva02-clip", patches: 16, width: 32, pooledWidth: 20, resized: 48 },
  { name: "open-clip", patches: 16, width: 32, pooledWidth: 20 },
];

describe.each(models)("$name", ({ name, patches, width, pooledWidth, resized, textless }) => {
  const golden = Object.fromEntries(goldenTensors(`${name}/outputs.safetensors`)) as Record<string, GoldenTensor>;

  it("agrees with the reference on image files", async () => {
    await using tower = await loadVisionTower(goldenPath(name), { threads: 1 });
    const images = await tower.encodeImages(photos);
    expect(images).toMatchObject({ batch: 3, patches, width, pooledWidth });
    expect(furthest(images.patchTokens, golden["patch_tokens"]!)).toBeLessThan(patchTolerance);
    expect(furthest(images.pooled, golden["image_pooled"]!)).toBeLessThan(patchTolerance);
    expect(furthestUnit(images.pooled, golden["image_pooled"]!)).toBeLessThan(embeddingTolerance);
  });

  it.runIf(resized)("agrees with the reference at another size, on interpolated positions", async () => {
    const larger = Object.fromEntries(goldenTensors(`${name}/outputs-${resized}.safetensors`)) as Record<string, GoldenTensor>;
    await using tower = await loadVisionTower(goldenPath(name), { threads: 1, imageSize: resized as number });
    const images = await tower.encodeImages(photos);
    expect(furthest(images.patchTokens, larger["patch_tokens"]!)).toBeLessThan(patchTolerance);
    expect(furthestUnit(images.pooled, larger["image_pooled"]!)).toBeLessThan(embeddingTolerance);
  });

  it.skipIf(textless)("agrees with the reference on texts, and in logits", async () => {
    await using tower = await loadVisionTower(goldenPath(name), { threads: 1 });
    const embeddings = await tower.encodeTexts(texts);
    expect(furthest(embeddings, golden["text_pooled"]!)).toBeLessThan(patchTolerance);
    expect(furthestUnit(embeddings, golden["text_pooled"]!)).toBeLessThan(embeddingTolerance);
    const { pooled } = await tower.encodeImages(photos);
    expect(tower.logitBias).toBe(0);
    expect(tower.logits(pooled, embeddings)).toEqual(cosineLogits(pooled, embeddings, pooledWidth, { scale: tower.logitScale!, bias: 0 }));
    // A logit is a cosine times 18.
    expect(furthest(tower.logits(pooled, embeddings), golden["logits_per_image"]!)).toBeLessThan(18 * embeddingTolerance);
  });
});
