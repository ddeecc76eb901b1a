import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { openWeights, writeSafetensors, type TensorToWrite } from "@sightline/weights";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cosineLogits } from "../src/cosine-logits.js";
import { ConfigError, loadSiglip, loadVisionTower } from "../src/index.js";
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

interface Model {
  readonly name: string;
  readonly patches: number;
  readonly width: number;
  readonly pooledWidth: number;
}

const withTexts: readonly Model[] = [
  { name: "clip-openai", patches: 16, width: 32, pooledWidth: 20 },
  { name: "clip-laion", patches: 16, width: 32, pooledWidth: 20 },
  { name: "eva02-clip", patches: 16, width: 32, pooledWidth: 20 },
  { name: "open-clip", patches: 16, width: 32, pooledWidth: 20 },
];
const visionOnly: readonly Model[] = [
  { name: "clip-vision", patches: 9, width: 32, pooledWidth: 32 },
  { name: "dinov2", patches: 16, width: 32, pooledWidth: 32 },
  { name: "dinov2-registers", patches: 9, width: 32, pooledWidth: 32 },
  { name: "dinov2-giant", patches: 25, width: 20, pooledWidth: 20 },
];

const goldenOf = (file: string): Record<string, GoldenTensor> => Object.fromEntries(goldenTensors(file));

describe("loadVisionTower agrees with the reference", () => {
  it.each([...withTexts, ...visionOnly])("on image files, by $name", async ({ name, patches, width, pooledWidth }) => {
    const golden = goldenOf(`${name}/outputs.safetensors`);
    await using tower = await loadVisionTower(goldenPath(name), { threads: 1 });
    const images = await tower.encodeImages(photos);
    expect(images).toMatchObject({ batch: 3, patches, width, pooledWidth });
    expect(furthest(images.patchTokens, golden["patch_tokens"]!)).toBeLessThan(patchTolerance);
    expect(furthest(images.pooled, golden["image_pooled"]!)).toBeLessThan(patchTolerance);
    expect(furthestUnit(images.pooled, golden["image_pooled"]!)).toBeLessThan(embeddingTolerance);
  });

  it.each(["clip-laion", "eva02-clip"])("at 48 pixels instead of 32, on interpolated positions, by %s", async (name) => {
    const golden = goldenOf(`${name}/outputs-48.safetensors`);
    await using tower = await loadVisionTower(goldenPath(name), { threads: 1, imageSize: 48 });
    const images = await tower.encodeImages(photos);
    expect(furthest(images.patchTokens, golden["patch_tokens"]!)).toBeLessThan(patchTolerance);
    expect(furthestUnit(images.pooled, golden["image_pooled"]!)).toBeLessThan(embeddingTolerance);
  });

  it.each(withTexts)("on texts, and in logits, by $name", async ({ name, pooledWidth }) => {
    const golden = goldenOf(`${name}/outputs.safetensors`);
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

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "relatives-test-"));
});
afterAll(() => rm(folder, { recursive: true }));

let copies = 0;

/** A copy of a golden, with changes to one JSON file and to its tensors. */
async function changed(model: string, { json = {}, file = "config.json", tensors }: { json?: object; file?: string; tensors?: (all: TensorToWrite[]) => TensorToWrite[] }): Promise<string> {
  const directory = path.join(folder, String(copies++));
  await cp(goldenPath(model), directory, { recursive: true });
  const jsonFile = path.join(directory, file);
  await writeFile(jsonFile, JSON.stringify({ ...(JSON.parse(await readFile(jsonFile, "utf8")) as object), ...json }));
  if (tensors) {
    await using source = await openWeights(goldenPath(model));
    const all: TensorToWrite[] = [];
    for (const { name, dtype, shape } of source.tensors.values()) all.push({ name, dtype, shape, data: await source.readBytes(name) });
    await writeSafetensors(path.join(directory, path.basename(source.path)), tensors(all));
  }
  return directory;
}

/** The patch tokens of the golden's photos, held against its reference. */
async function patchTokenDifference(directory: string, model: string): Promise<number> {
  await using tower = await loadVisionTower(directory, { threads: 1, towers: ["vision"] });
  return furthest((await tower.encodeImages(photos)).patchTokens, goldenTensors(`${model}/outputs.safetensors`).get("patch_tokens")!);
}

describe("what a file may look like otherwise", () => {
  const renamed = (rename: (name: string) => string) => (all: TensorToWrite[]) => all.map((tensor) => ({ ...tensor, name: rename(tensor.name) }));

  it("takes a vision tower alone with the prefix that files of transformers 4 have", async () => {
    const directory = await changed("clip-vision", { tensors: renamed((name) => `vision_model.${name}`) });
    expect(await patchTokenDifference(directory, "clip-vision")).toBeLessThan(patchTolerance);
  });

  it("takes the projection of a vision tower alone where there is one", async () => {
    const data = new Uint8Array(new Float32Array(7 * 32).buffer);
    const directory = await changed("clip-vision", { json: { projection_dim: 7 }, tensors: (all) => [...all, { name: "visual_projection.weight", dtype: "F32", shape: [7, 32], data }] });
    await using tower = await loadVisionTower(directory, { threads: 1 });
    expect(await tower.encodeImages(photos)).toMatchObject({ pooledWidth: 7, pooled: new Float32Array(21) });
  });

  it.each(["dinov2", "dinov2_with_registers"])("takes the %s inside a classifier", async (type) => {
    const model = type === "dinov2" ? "dinov2" : "dinov2-registers";
    const directory = await changed(model, { tensors: renamed((name) => `${type}.${name}`) });
    expect(await patchTokenDifference(directory, model)).toBeLessThan(patchTolerance);
  });

  it("takes open_clip's text tensors with a class of their own or without", async () => {
    const directory = await changed("open-clip", { file: "open_clip_config.json", tensors: renamed((name) => (/^(?:visual|logit_scale)/.test(name) ? name : `text.${name}`)) });
    await using tower = await loadVisionTower(directory, { threads: 1 });
    expect(furthest(await tower.encodeTexts(texts), goldenTensors("open-clip/outputs.safetensors").get("text_pooled")!)).toBeLessThan(patchTolerance);
  });

  it("maps thirds of packed float32 weights from their file", async () => {
    await using source = await openWeights(goldenPath("open-clip"));
    const all = await Promise.all([...source.tensors.values()].map(async ({ name, shape }) => ({ name, dtype: "F32" as const, shape, data: new Uint8Array((await source.readFloat32(name)).buffer) })));
    const directory = await changed("open-clip", { file: "open_clip_config.json", tensors: () => all });
    expect(await patchTokenDifference(directory, "open-clip")).toBeLessThan(patchTolerance);
  });

  it("goes by config.json where that and open_clip_config.json both say what a directory is", async () => {
    const directory = await changed("clip-openai", {});
    await cp(goldenPath("eva02-clip/open_clip_config.json"), path.join(directory, "open_clip_config.json"));
    expect(await patchTokenDifference(directory, "clip-openai")).toBeLessThan(patchTolerance);
  });
});

describe("refusals", () => {
  it.each([
    ["clip-openai", /config\.json: model_type: expected one of "siglip", "siglip2", got "clip"; loadVisionTower takes it/],
    ["dinov2", /got "dinov2"; loadVisionTower takes it/],
    ["eva02-clip", /open_clip_config\.json: the file: expected one of "siglip", "siglip2", got an open_clip checkpoint; loadVisionTower takes it/],
  ])("loadSiglip refuses %s", async (model, message) => {
    await expect(loadSiglip(goldenPath(model))).rejects.toThrow(ConfigError);
    await expect(loadSiglip(goldenPath(model))).rejects.toThrow(message);
  });

  it("has no texts for a family without a text tower, and refuses to load one", async () => {
    await using tower = await loadVisionTower(goldenPath("dinov2"), { threads: 1 });
    await expect(tower.encodeTexts(["a cat"])).rejects.toThrow(/dinov2 was loaded without its text tower; .*take a checkpoint that has one/);
    expect([tower.logitScale, tower.logitBias]).toEqual([undefined, undefined]);
    expect(() => tower.logits(new Float32Array(32), new Float32Array(32))).toThrow(/has no "logit_scale"/);
    await expect(loadVisionTower(goldenPath("dinov2"), { towers: ["vision", "text"] })).rejects.toThrow('expected towers among vision, which model_type "dinov2" has, got "text"');
  });

  it("loads one tower of two", async () => {
    const directory = await changed("clip-openai", { tensors: (all) => all.filter(({ name }) => name.startsWith("text_")) });
    await expect(loadVisionTower(directory)).rejects.toThrow(/needs the tensor "vision_model\.embeddings\.patch_embedding\.weight"/);
    await using tower = await loadVisionTower(directory, { threads: 1, towers: ["text"] });
    expect(furthest(await tower.encodeTexts(texts), goldenTensors("clip-openai/outputs.safetensors").get("text_pooled")!)).toBeLessThan(patchTolerance);
    await expect(tower.encodeImages(photos)).rejects.toThrow(/loaded without its vision tower/);
  });

  it.each<[string, string, object, RegExp]>([
    ["clip-openai", "config.json", { projection_dim: 21 }, /model\.safetensors: "visual_projection\.weight": expected the shape \[21, 32\] by the configuration, got \[20, 32\]/],
    ["clip-openai", "preprocessor_config.json", { crop_size: { height: 40, width: 40 } }, /preprocessor_config\.json: crop_size: expected the tower's 32x32, got 40x40/],
    ["dinov2", "config.json", { mlp_ratio: 3 }, /"encoder\.layer\.0\.mlp\.fc1\.weight": expected the shape \[96, 32\] by the configuration, got \[128, 32\]/],
    ["dinov2", "config.json", { image_size: 70 }, /"embeddings\.position_embeddings": expected the shape \[1, 101, 32\] by the configuration, got \[1, 26, 32\]/],
    ["dinov2-registers", "config.json", { num_register_tokens: 5 }, /"embeddings\.register_tokens": expected the shape \[1, 5, 32\] by the configuration, got \[1, 4, 32\]/],
    ["eva02-clip", "config.json", { model_args: { img_size: 32, patch_size: 8, depth: 2, embed_dim: 48, num_heads: 2 } }, /open_clip_model\.safetensors: "visual\.trunk\.patch_embed\.proj\.weight": expected the shape \[48, 3, 8, 8\] by the configuration, got \[32, 3, 8, 8\]/],
    ["open-clip", "open_clip_config.json", { model_cfg: { embed_dim: 21, vision_cfg: { image_size: 32, layers: 2, width: 32, head_width: 16, patch_size: 8 }, text_cfg: {} } }, /"visual\.proj": expected the shape \[32, 21\] by the configuration, got \[32, 20\]/],
  ])("names what disagrees in %s with another %s: %j", async (model, file, json, message) => {
    await expect(loadVisionTower(await changed(model, { file, json }))).rejects.toThrow(message);
  });

  it("refuses image sizes that hold no patch, and NaFlex's option", async () => {
    await expect(loadVisionTower(goldenPath("dinov2"), { imageSize: 6 })).rejects.toThrow("loadVisionTower: expected imageSize from 7, one patch, to 8192 pixels, got 6");
    await expect(loadVisionTower(goldenPath("eva02-clip"), { maxPatches: 9 })).rejects.toThrow(/expected no maxPatches for the file an open_clip checkpoint, got 9; imageSize sets/);
  });

  it("names the weights that an open_clip directory lacks", async () => {
    const directory = await changed("eva02-clip", {});
    await rm(path.join(directory, "open_clip_model.safetensors"));
    await expect(loadVisionTower(directory)).rejects.toThrow(/open_clip_model\.safetensors: no such file/);
  });
});
