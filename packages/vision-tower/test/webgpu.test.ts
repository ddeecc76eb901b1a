import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import { describeWebgpu } from "../../graph/test/webgpu-tests.js";
import { loadSiglip, type ImageEmbeddings, type LoadOptions, type Siglip } from "../src/index.js";
import { goldenTensors } from "./golden-tensors.js";
import { goldenPath } from "./goldens.js";

const mini = fileURLToPath(new URL("../../../models/mini/siglip", import.meta.url));
const photos = [goldenPath("photo.jpg"), goldenPath("photo-crop.png")];

// float32 on both sides: what is left are sums in another order.
const cpuTolerance = 1e-4;
// The project's own bar against transformers.
const referenceTolerance = 2e-4;

function furthest(a: ArrayLike<number>, b: ArrayLike<number>): number {
  expect(a.length).toBe(b.length);
  return Array.from(a).reduce((most, value, i) => Math.max(most, Math.abs(value - (b[i] as number))), 0);
}

// Head width 72, NaFlex with its mask of padding, and mini's trained weights.
describeWebgpu.each([
  ["siglip-bfloat16", goldenPath("siglip-bfloat16")],
  ["siglip2-naflex-72", goldenPath("siglip2-naflex-72")],
  ["mini", mini],
])("WebGPU: the towers of %s", (_, directory) => {
  let webgpu: Siglip;
  let cpu: Siglip;
  let images: { readonly webgpu: ImageEmbeddings; readonly cpu: ImageEmbeddings };
  beforeAll(async () => {
    webgpu = await loadSiglip(directory, { device: "webgpu" });
    cpu = await loadSiglip(directory, { device: "cpu" });
    images = { webgpu: await webgpu.encodeImages(photos), cpu: await cpu.encodeImages(photos) };
  });
  afterAll(async () => {
    await webgpu[Symbol.asyncDispose]();
    await cpu[Symbol.asyncDispose]();
  });

  it("agree with the CPU to 1e-4", async () => {
    expect(furthest(images.webgpu.patchTokens, images.cpu.patchTokens)).toBeLessThan(cpuTolerance);
    expect(furthest(images.webgpu.pooled, images.cpu.pooled)).toBeLessThan(cpuTolerance);
  });

  it("leave no node of the vision tower to the CPU", async () => {
    const placement = await webgpu.placement();
    expect(placement).toMatchObject({ device: "webgpu", fallback: {}, copies: 0 });
    expect(placement.nodes).toBeGreaterThan(20);
    expect(placement.onDevice).toBe(placement.nodes);
  });
});

describeWebgpu("WebGPU", () => {
  it("agrees with transformers to 2e-4 in both towers", async () => {
    await using webgpu = await loadSiglip(goldenPath("siglip-bfloat16"), { device: "webgpu" });
    const golden = goldenTensors("siglip-bfloat16/outputs.safetensors");
    const { patchTokens, pooled } = await webgpu.encodeImages(photos);
    const tokens = golden.get("input_ids") as { readonly data: BigInt64Array<ArrayBuffer>; readonly shape: readonly [number, number] };
    const texts = await webgpu.encodeTokens({ ids: tokens.data, shape: tokens.shape });
    expect(furthest(texts, golden.get("text_pooled")?.data as Float32Array)).toBeLessThan(referenceTolerance);
    expect(furthest(patchTokens, golden.get("patch_tokens")?.data as Float32Array)).toBeLessThan(referenceTolerance);
    expect(furthest(pooled, golden.get("image_pooled")?.data as Float32Array)).toBeLessThan(referenceTolerance);
  });

  const load = (options: LoadOptions): Promise<Siglip> => loadSiglip(goldenPath("siglip-bfloat16"), { device: "webgpu", towers: ["vision"], ...options });

  it("runs float16 where the driver has it, and says so where it has not", async () => {
    await using half = await load({ precision: "float16" });
    const opened = await half.precision().catch((error: unknown) => error as Error);
    if (opened instanceof Error) expect(opened.message).toBe('openVision: expected precision "float32" or "auto" on webgpu, whose driver has no float16 (shader-f16), got "float16"');
    else expect(opened.cosinePatch).toBeGreaterThan(0.999);
  });

  it("takes a precision that holds the bars by itself, and refuses int8", async () => {
    await using auto = await load({ precision: "auto" });
    const { precision, cosinePooled, cosinePatch } = await auto.precision();
    expect(["float32", "float16"]).toContain(precision);
    expect(Math.min(cosinePooled, cosinePatch)).toBeGreaterThan(0.99);
    await using int8 = await load({ precision: "int8" });
    await expect(int8.precision()).rejects.toThrow('expected precision "float32", "float16" or "auto" on device webgpu (int8 runs on the CPU), got "int8"');
  });
});

it("a tower on the CPU says that all of it is there", async () => {
  await using siglip = await loadSiglip(goldenPath("siglip-bfloat16"));
  const { device, nodes, onDevice, fallback } = await siglip.placement();
  expect({ device, fallback }).toEqual({ device: "cpu", fallback: {} });
  expect(onDevice).toBe(nodes);
});
