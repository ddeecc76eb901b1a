import { cp, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { env, SiglipModel, SiglipTextModel, SiglipVisionModel, Tensor } from "@huggingface/transformers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { exportOnnx, loadSiglip, loadVisionTower, openCheckpoint, type VisionPart } from "../src/index.js";
import { decodeImage } from "../src/pixels/decode-image.js";
import { goldenTensors } from "./golden-tensors.js";
import { goldenPath } from "./goldens.js";
import { leastCosine } from "./row-cosines.js";

const mini = fileURLToPath(new URL("../../../models/mini/siglip", import.meta.url));
const photos = [goldenPath("photo.jpg"), goldenPath("photo-crop.png")];
const tolerance = 2e-4;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "hub-onnx-test-"));
  env.allowRemoteModels = false;
  env.localModelPath = folder;
});
afterAll(() => rm(folder, { recursive: true }));

function furthest(got: ArrayLike<number>, want: ArrayLike<number>): number {
  expect(got.length).toBe(want.length);
  return Array.from(got).reduce((most, value, i) => Math.max(most, Math.abs(value - (want[i] as number))), 0);
}

/** Pixels of a photo as mini's tower takes them, for programs whose own resizing is another. */
async function miniPixels(): Promise<{ data: Float32Array; shape: readonly number[] }> {
  const { vision, close } = await openCheckpoint(mini, { towers: ["vision"] }, true);
  const { pixels } = (vision as VisionPart).prepare([await decodeImage(photos[0] as string)]).feeds;
  await close();
  return { data: pixels?.data as Float32Array, shape: pixels?.shape ?? [] };
}

describe("ONNX files of the hub's layout, written by PyTorch", () => {
  it("encode as transformers does", async () => {
    const golden = goldenTensors("hub-siglip/outputs.safetensors");
    await using siglip = await loadSiglip(goldenPath("hub-siglip"));
    const { patchTokens, pooled } = await siglip.encodeImages(photos);
    expect(furthest(patchTokens, golden.get("patch_tokens")?.data as Float32Array)).toBeLessThan(tolerance);
    expect(furthest(pooled, golden.get("image_pooled")?.data as Float32Array)).toBeLessThan(tolerance);
  });

  it.each(["fp16", "quantized", "q4"] as const)("run as %s too, near the float32 ones", async (variant) => {
    await using exact = await loadSiglip(goldenPath("hub-siglip"), { towers: ["vision"] });
    await using siglip = await loadSiglip(goldenPath("hub-siglip"), { towers: ["vision"], variant });
    const [a, b] = [await exact.encodeImages(photos), await siglip.encodeImages(photos)];
    expect(a.pooled).not.toEqual(b.pooled);
    expect(leastCosine(a.pooled, b.pooled, a.pooledWidth)).toBeGreaterThan(variant === "fp16" ? 0.9999 : 0.95);
  });

  it("name the variants that are there when another is asked for", async () => {
    await expect(loadSiglip(goldenPath("hub-siglip"), { variant: "bnb4" })).rejects.toThrow(/expected one of "fp32", "fp16", "q8", "q4", got "bnb4"/);
  });

  it("take no other precision than their own", async () => {
    await using siglip = await loadSiglip(goldenPath("hub-siglip"), { precision: "int8" });
    await expect(siglip.encodeImages(photos)).rejects.toThrow(/an ONNX file, whose precision is its own/);
  });

  it("of CLIP load as a vision tower, in the space of its texts", async () => {
    const golden = goldenTensors("hub-clip/outputs.safetensors");
    await using clip = await loadVisionTower(goldenPath("hub-clip"), { towers: ["vision"] });
    const { pooled, pooledWidth } = await clip.encodeImages(photos);
    const want = golden.get("image_embeddings")?.data as Float32Array;
    expect(leastCosine(pooled, want, pooledWidth)).toBeGreaterThan(0.999999);
  });
});

describe("exportOnnx", () => {
  it("writes a directory that @huggingface/transformers loads, and that gives the same numbers there", async () => {
    const { files } = await exportOnnx(mini, path.join(folder, "mini"), { variants: ["fp32", "fp16"] });
    expect(files).toEqual(expect.arrayContaining(["onnx/vision_model.onnx", "onnx/text_model.onnx", "onnx/model.onnx", "onnx/vision_model_fp16.onnx", "config.json", "tokenizer.json"]));
    await using siglip = await loadSiglip(mini);
    const ours = await siglip.encodeImages([photos[0] as string]);
    const pixels = await miniPixels();
    const pixel_values = new Tensor("float32", pixels.data, [...pixels.shape]);

    const vision = await SiglipVisionModel.from_pretrained("mini", { dtype: "fp32" });
    const seen = (await vision({ pixel_values })) as { last_hidden_state: Tensor; pooler_output: Tensor };
    expect(furthest(seen.last_hidden_state.data as Float32Array, ours.patchTokens)).toBeLessThan(1e-4);
    expect(furthest(seen.pooler_output.data as Float32Array, ours.pooled)).toBeLessThan(1e-4);

    const { text, close } = await openCheckpoint(mini, { towers: ["text"] }, true);
    const tokens = (await text?.loadTokenizer())?.encode(["a photo of a cat", "an airplane"]);
    await close();
    const input_ids = new Tensor("int64", tokens?.ids as BigInt64Array, [...(tokens?.shape ?? [])]);
    const textModel = await SiglipTextModel.from_pretrained("mini", { dtype: "fp32" });
    const read = (await textModel({ input_ids })) as { pooler_output: Tensor };
    const texts = await siglip.encodeTexts(["a photo of a cat", "an airplane"]);
    expect(furthest(read.pooler_output.data as Float32Array, texts)).toBeLessThan(1e-4);

    const both = await SiglipModel.from_pretrained("mini", { dtype: "fp32" });
    const compared = (await both({ pixel_values, input_ids })) as { logits_per_image: Tensor };
    expect(furthest(compared.logits_per_image.data as Float32Array, siglip.logits(ours.pooled, texts))).toBeLessThan(1e-3);
    await Promise.all([vision, textModel, both].map((model) => model.dispose()));
  });

  it("round trips: its ONNX files, loaded here, are the safetensors' towers, logits and tags included", async () => {
    await using exact = await loadSiglip(mini);
    await using siglip = await loadSiglip(path.join(folder, "mini"));
    const [a, b] = [await exact.encodeImages(photos), await siglip.encodeImages(photos)];
    expect(furthest(b.patchTokens, a.patchTokens)).toBeLessThan(1e-4);
    expect(furthest(b.pooled, a.pooled)).toBeLessThan(1e-4);
    const labels = ["cat", "airplane", "sailboat"];
    const [before, after] = [await exact.tag(photos[0] as string, labels), await siglip.tag(photos[0] as string, labels)];
    expect(after.tags.map(({ label }) => label)).toEqual(before.tags.map(({ label }) => label));
    expect(furthest(after.tags.map((tag) => tag.probability), before.tags.map((tag) => tag.probability))).toBeLessThan(1e-4);
    await using half = await loadSiglip(path.join(folder, "mini"), { variant: "fp16", towers: ["vision"] });
    const c = await half.encodeImages(photos);
    expect(leastCosine(a.pooled, c.pooled, a.pooledWidth)).toBeGreaterThan(0.9999);
  });

  it("leaves nothing behind where it is stopped, and touches no directory that is not empty", async () => {
    const stopped = path.join(folder, "stopped");
    await expect(exportOnnx(mini, stopped, { signal: AbortSignal.abort(new Error("enough")) })).rejects.toThrow("enough");
    expect((await readdir(folder)).filter((name) => name.startsWith("stopped"))).toEqual([]);
    const full = path.join(folder, "full");
    await cp(goldenPath("siglip-float16"), full, { recursive: true });
    await expect(exportOnnx(mini, full)).rejects.toThrow(/expected a directory that is not there or empty/);
  });
});
