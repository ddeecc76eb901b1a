import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { openWeights, writeSafetensors, type TensorToWrite } from "@sightline/weights";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { ConfigError, decodeImage, ImageError, loadSiglip, TowerDisposedError } from "../src/index.js";
import { goldenTensors } from "./golden-tensors.js";
import { goldenPath } from "./goldens.js";

// Reference: transformers' SiglipModel in float32, by tools/reference/siglip.
const patchTolerance = 2e-4;
const embeddingTolerance = 1e-4;
const logitTolerance = 1e-2;

const photos = [goldenPath("photo.jpg"), goldenPath("photo-crop.png")];

function furthest(got: Float32Array, want: ArrayLike<number>): number {
  expect(got.length).toBe(want.length);
  return got.reduce<number>((most, value, i) => Math.max(most, Math.abs(value - (want[i] as number))), 0);
}

function unit(rows: Float32Array, width: number): Float32Array {
  return rows.map((value, i) => value / Math.hypot(...rows.subarray(i - (i % width), i - (i % width) + width)));
}

/** Random weights give tiny probabilities, which only their logits tell apart. */
function logitOf(probability: number = Number.NaN): number {
  return Math.log(probability / (1 - probability));
}

function goldenFloats(model: string): (name: string) => Float32Array {
  const tensors = goldenTensors(`${model}/outputs.safetensors`);
  return (name) => tensors.get(name)?.data as Float32Array;
}

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "siglip-test-"));
});
afterAll(() => rm(folder, { recursive: true }));

let copies = 0;

/** A copy of the bfloat16 golden with a tokenizer, and with changes to its configuration and tensors. */
async function checkpoint(change: { config?: object; tensors?: (all: TensorToWrite[]) => TensorToWrite[]; without?: string } = {}): Promise<string> {
  const directory = path.join(folder, String(copies++));
  await cp(goldenPath("siglip-bfloat16"), directory, { recursive: true });
  await cp(goldenPath("tokenizers/sentencepiece"), directory, { recursive: true });
  if (change.config) {
    const file = path.join(directory, "config.json");
    await writeFile(file, JSON.stringify({ ...(JSON.parse(await readFile(file, "utf8")) as object), ...change.config }));
  }
  if (change.tensors) {
    await using source = await openWeights(goldenPath("siglip-bfloat16"));
    const all: TensorToWrite[] = [];
    for (const { name, dtype, shape } of source.tensors.values()) all.push({ name, dtype, shape, data: await source.readBytes(name) });
    await writeSafetensors(path.join(directory, "model.safetensors"), change.tensors(all));
  }
  if (change.without !== undefined) await rm(path.join(directory, change.without));
  return directory;
}

describe.each(["siglip-bfloat16", "siglip-float16", "siglip-sharded", "siglip-giant", "siglip-i18n"])("loadSiglip of %s", (model) => {
  const golden = goldenFloats(model);

  it("encodes photos as transformers does", async () => {
    await using siglip = await loadSiglip(goldenPath(model), { threads: 1 });
    const { patchTokens, pooled, batch, width, patches } = await siglip.encodeImages(photos);
    expect([batch, patches * width * batch]).toEqual([2, patchTokens.length]);
    expect(furthest(patchTokens, golden("patch_tokens"))).toBeLessThan(patchTolerance);
    expect(furthest(pooled, golden("image_pooled"))).toBeLessThan(patchTolerance);
    expect(furthest(unit(pooled, width), golden("image_embeddings"))).toBeLessThan(embeddingTolerance);
  });

  it("gives transformers' logits for photos and token ids", async () => {
    await using siglip = await loadSiglip(goldenPath(model), { threads: 1 });
    const tokens = goldenTensors(`${model}/outputs.safetensors`).get("input_ids");
    const { pooled, width } = await siglip.encodeImages(photos);
    const texts = await siglip.encodeTokens({ ids: tokens?.data as BigInt64Array, shape: tokens?.shape as [number, number] });
    expect(furthest(unit(texts, width), golden("text_embeddings"))).toBeLessThan(embeddingTolerance);
    expect(furthest(siglip.logits(pooled, texts), golden("logits_per_image"))).toBeLessThan(logitTolerance);
  });
});

describe("Siglip.encodeImages", () => {
  it("gives each image of a long batch what it gets alone, files and decoded images alike", async () => {
    await using siglip = await loadSiglip(goldenPath("siglip-float16"), { threads: 1 });
    const alone = await Promise.all(photos.map((photo) => siglip.encodeImages([photo])));
    const images = Array.from({ length: 11 }, (_, i) => photos[i % 2] as string);
    const mixed = await siglip.encodeImages([await decodeImage(images[0] as string), ...images.slice(1)]);
    expect(mixed.batch).toBe(11);
    for (let i = 0; i < images.length; i++) {
      const row = mixed.pooled.subarray(i * mixed.width, (i + 1) * mixed.width);
      expect(furthest(row, alone[i % 2]?.pooled as Float32Array)).toBeLessThan(1e-5);
    }
  });

  it("gives empty arrays for no images", async () => {
    await using siglip = await loadSiglip(goldenPath("siglip-float16"));
    const { patchTokens, pooled, batch } = await siglip.encodeImages([]);
    expect([patchTokens.length, pooled.length, batch]).toEqual([0, 0, 0]);
  });

  it("rejects with the signal's reason, and with the image's own error", async () => {
    await using siglip = await loadSiglip(goldenPath("siglip-float16"));
    await expect(siglip.encodeImages([photos[0] as string], { signal: AbortSignal.abort(new Error("enough")) })).rejects.toThrow("enough");
    await expect(siglip.encodeImages([path.join(folder, "none.png")])).rejects.toThrow(ImageError);
  });
});

describe("Siglip.encodeTexts", () => {
  it("gives each text of a long list what it gets alone", async () => {
    await using siglip = await loadSiglip(await checkpoint(), { threads: 1 });
    const projectionWidth = siglip.width as number;
    const texts = Array.from({ length: 70 }, (_, i) => `a photo of ${"abcdefg"[i % 7]} ${"hijklmnopq"[Math.floor(i / 7)]}`);
    const all = await siglip.encodeTexts(texts);
    const last = await siglip.encodeTexts(texts.slice(-1));
    expect(furthest(all.subarray(-projectionWidth), last)).toBeLessThan(1e-5);
    expect(furthest(all.subarray(0, projectionWidth), last)).toBeGreaterThan(1e-3);
    expect(await siglip.encodeTexts([])).toHaveLength(0);
  });

  it("says that there is no tokenizer, while images still work", async () => {
    await using siglip = await loadSiglip(await checkpoint({ without: "tokenizer.json" }));
    await expect(siglip.encodeTexts(["a cat"])).rejects.toThrow(/tokenizer\.json: no such file/);
    expect((await siglip.encodeImages(photos)).batch).toBe(2);
  });
});

describe("Siglip.logits", () => {
  it("scales and shifts cosines", async () => {
    await using siglip = await loadSiglip(goldenPath("siglip-sharded"));
    const width = siglip.width as number;
    const axis = (at: number, length: number): Float32Array => Float32Array.from({ length: width }, (_, i) => (i === at ? length : 0));
    const { logitScale: scale = Number.NaN, logitBias: bias = Number.NaN } = siglip;
    const texts = Float32Array.of(...axis(0, 7), ...axis(1, 1), ...axis(0, -2));
    expect(furthest(siglip.logits(axis(0, 3), texts), [scale + bias, bias, bias - scale])).toBeLessThan(1e-4);
    expect(() => siglip.logits(new Float32Array(width + 1), texts)).toThrow(`expected x to be rows of ${width} values, got ${width + 1} values`);
  });
});

describe("Siglip.tag", () => {
  it("gives every label its own probability, sorted, whatever the others are", async () => {
    await using siglip = await loadSiglip(await checkpoint(), { threads: 1 });
    const labels = ["cat", "dog", "two red cars"];
    const { tags } = await siglip.tag(photos[0] as string, labels, { template: "{label}!" });
    expect(tags.map(({ label }) => label).sort()).toEqual(labels);
    expect(tags.map(({ probability }) => probability)).toEqual(tags.map(({ probability }) => probability).sort((a, b) => b - a));
    const { pooled } = await siglip.encodeImages([photos[0] as string]);
    for (const { label, probability } of tags) {
      const [logit] = siglip.logits(pooled, await siglip.encodeTexts([`${label}!`]));
      expect(logitOf(probability)).toBeCloseTo(logit as number, 3);
      const [alone] = (await siglip.tag(photos[0] as string, [label], { template: "{label}!" })).tags;
      expect(logitOf(alone?.probability)).toBeCloseTo(logit as number, 3);
    }
  });

  it("says that none holds when none reaches the threshold", async () => {
    await using siglip = await loadSiglip(await checkpoint());
    const { tags } = await siglip.tag(photos[0] as string, ["cat", "dog"]);
    const best = tags[0]?.probability as number;
    expect((await siglip.tag(photos[0] as string, ["cat", "dog"], { threshold: best * 0.99 })).noneOfTheAbove).toBe(false);
    expect((await siglip.tag(photos[0] as string, ["cat", "dog"], { threshold: best * 1.01 })).noneOfTheAbove).toBe(true);
  });

  it("counts repeated labels once and leaves blank ones out", async () => {
    await using siglip = await loadSiglip(await checkpoint());
    const { tags } = await siglip.tag(photos[0] as string, ["cat", " cat", "", "  ", "dog", "cat"]);
    expect(tags.map(({ label }) => label).sort()).toEqual(["cat", "dog"]);
    expect(await siglip.tag(photos[0] as string, [""])).toEqual({ tags: [], noneOfTheAbove: true });
    expect(await siglip.tag(photos[0] as string, [])).toEqual({ tags: [], noneOfTheAbove: true });
  });

  it.each([[{ threshold: 1.5 }, /threshold from 0 to 1, got 1.5/], [{ threshold: Number.NaN }, /got NaN/], [{ template: "a photo" }, /template with \{label\} in it, got "a photo"/]])(
    "refuses %o",
    async (options, message) => {
      await using siglip = await loadSiglip(await checkpoint());
      await expect(siglip.tag(photos[0] as string, ["cat"], options)).rejects.toThrow(message);
    },
  );
});

describe("loadSiglip", () => {
  it("names a tensor whose shape is not the configuration's, with both shapes", async () => {
    const { text_config } = JSON.parse(await readFile(goldenPath("siglip-bfloat16/config.json"), "utf8")) as { text_config: object };
    const directory = await checkpoint({ config: { text_config: { ...text_config, intermediate_size: 100 } } });
    await expect(loadSiglip(directory)).rejects.toThrow(
      /model\.safetensors: "text_model\.encoder\.layers\.0\.mlp\.fc1\.weight": expected the shape \[100, 48\] by the configuration, got \[96, 48\]/,
    );
  });

  it("names a tensor that is missing", async () => {
    const directory = await checkpoint({ tensors: (all) => all.filter(({ name }) => name !== "vision_model.post_layernorm.bias") });
    await expect(loadSiglip(directory)).rejects.toThrow(/needs the tensor "vision_model\.post_layernorm\.bias" \[144\], which is not there/);
  });

  it("names a file that is missing", async () => {
    await expect(loadSiglip(await checkpoint({ without: "config.json" }))).rejects.toThrow(/config\.json: no such file/);
    await expect(loadSiglip(await checkpoint({ without: "model.safetensors" }))).rejects.toThrow(/holds none of model\.safetensors, /);
  });

  it.each([
    ["NaFlex's model_type on a processor of one size", { model_type: "siglip2" }, /preprocessor_config\.json: size: expected none: .*got/],
    ["another family", { model_type: "llava" }, /model_type: expected one of "siglip", .*got "llava"/],
    ["no family", { model_type: undefined }, /model_type: expected one of "siglip", .*got undefined/],
    ["a tower without its head", { vision_config: { image_size: 70, patch_size: 14, vision_use_head: false } }, /vision_use_head: expected true, got false/],
  ])("refuses %s", async (_, config, message) => {
    const failure = loadSiglip(await checkpoint({ config }));
    await expect(failure).rejects.toThrow(ConfigError);
    await expect(failure).rejects.toThrow(message);
  });

  it("takes the normed last token of a text tower that has no head", async () => {
    const directory = path.join(folder, "headless");
    await cp(goldenPath("siglip-i18n"), directory, { recursive: true });
    const rewrite = async (keep: (name: string) => boolean): Promise<void> => {
      await using source = await openWeights(goldenPath("siglip-i18n"));
      const kept: TensorToWrite[] = [];
      for (const { name, dtype, shape } of source.tensors.values()) if (keep(name)) kept.push({ name, dtype, shape, data: await source.readBytes(name) });
      await writeSafetensors(path.join(directory, "model.safetensors"), kept);
    };
    await rewrite((name) => !name.startsWith("text_model.head"));
    const golden = goldenTensors("siglip-i18n/outputs.safetensors");
    const tokens = golden.get("input_ids");
    await using siglip = await loadSiglip(directory, { threads: 1 });
    const texts = await siglip.encodeTokens({ ids: tokens?.data as BigInt64Array, shape: tokens?.shape as [number, number] });
    expect(furthest(unit(texts, 32), golden.get("text_embeddings")?.data as Float32Array)).toBeLessThan(embeddingTolerance);
    await rewrite((name) => name !== "text_model.head.bias");
    await expect(loadSiglip(directory)).rejects.toThrow(/needs the tensor "text_model\.head\.bias" \[32\]/);
  });

  it("loads a checkpoint of one tower when only that one is asked for", async () => {
    const directory = await checkpoint({ tensors: (all) => all.filter(({ name }) => name.startsWith("vision_model")) });
    await expect(loadSiglip(directory)).rejects.toThrow(/text_model/);
    await using siglip = await loadSiglip(directory, { towers: ["vision"] });
    const { pooled } = await siglip.encodeImages(photos);
    expect(furthest(pooled, goldenFloats("siglip-bfloat16")("image_pooled"))).toBeLessThan(patchTolerance);
    await expect(siglip.encodeTexts(["a cat"])).rejects.toThrow(/loaded without its text tower/);
    expect(() => siglip.logits(pooled, pooled)).toThrow(/has no "logit_scale"/);
  });

  it("stops at the signal", async () => {
    await expect(loadSiglip(goldenPath("siglip-float16"), { signal: AbortSignal.abort(new Error("enough")) })).rejects.toThrow("enough");
  });
});

describe("dispose", () => {
  it("waits for calls under way, however far they are", async () => {
    const siglip = await loadSiglip(await checkpoint());
    const ended: string[] = [];
    const tag = siglip.tag(photos[0] as string, ["cat", "dog"]).then(({ tags }) => {
      ended.push("tag");
      return tags.length;
    });
    const images = siglip.encodeImages(photos).then(({ batch }) => {
      ended.push("images");
      return batch;
    });
    await Promise.all([siglip[Symbol.asyncDispose](), siglip[Symbol.asyncDispose]()]);
    expect(ended.sort()).toEqual(["images", "tag"]);
    expect(await Promise.all([tag, images])).toEqual([2, 2]);
  });

  it("makes every later call an error that says so", async () => {
    const siglip = await loadSiglip(await checkpoint());
    await siglip[Symbol.asyncDispose]();
    for (const call of [siglip.encodeImages(photos), siglip.encodeTexts(["a cat"]), siglip.tag(photos[0] as string, ["cat"])]) {
      await expect(call).rejects.toThrow(TowerDisposedError);
    }
  });
});

describe("countTokens", () => {
  it("counts each text with its end token, whether or not that is what pads, and no more than the tower reads", async () => {
    // sentencepiece's end token pads, mini's does not.
    for (const directory of [await checkpoint(), fileURLToPath(new URL("../../../models/mini/siglip", import.meta.url))]) {
      await using siglip = await loadSiglip(directory);
      const counted = (text: string) => siglip.countTokens([text]);
      const [none, one, three] = [await counted(""), await counted("cat"), await counted("cat cat cat")];
      expect(none).toBe(1);
      expect(one).toBeGreaterThan(1);
      expect(three - one).toBeGreaterThanOrEqual(2);
      expect(await siglip.countTokens(["", "cat", "cat cat cat"])).toBe(none + one + three);
      const most = await counted("cat ".repeat(500));
      expect(await counted("cat ".repeat(600))).toBe(most);
    }
  });
});
