import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { resolveOptions } from "../src/decoder-options.js";
import { cacheBytesPerLayer, layersThatFit, readLayerFacts } from "../src/gpu-layers.js";
import { loadDecoder } from "../src/index.js";
import { chooseGpuLayers } from "../src/model-loading.js";
import { loadLlama } from "../src/native-bindings.js";
import { writeTinyModel } from "./tiny-model.js";

const gib = 2 ** 30;

describe("the layers that fit", () => {
  const budget = { modelBytes: 8 * gib, layers: 31, cacheBytesPerLayer: 0 };

  it("are all where memory is plenty, the output included", () => {
    expect(layersThatFit({ ...budget, freeBytes: [80 * gib] })).toBe(32);
  });

  it("are those that fit beside a reserve", () => {
    // A layer takes a quarter of a GiB; 0.75 GiB stay free, or a tenth.
    expect(layersThatFit({ ...budget, freeBytes: [4 * gib] })).toBe(13);
    expect(layersThatFit({ ...budget, freeBytes: [7.9 * gib] })).toBe(28);
    expect(layersThatFit({ ...budget, freeBytes: [0.5 * gib] })).toBe(0);
  });

  it("are fewer with a larger cache, and more with a second GPU", () => {
    expect(layersThatFit({ ...budget, cacheBytesPerLayer: 0.25 * gib, freeBytes: [4 * gib] })).toBe(6);
    expect(layersThatFit({ ...budget, freeBytes: [4 * gib, 2 * gib] })).toBe(18);
    expect(layersThatFit({ ...budget, freeBytes: [] })).toBe(0);
  });

  it("count keys and values of the heads that have some", () => {
    const facts = { layers: 1, heads: 8, keyValueHeads: 2, width: 512, keyWidth: undefined, valueWidth: 128 };
    expect(cacheBytesPerLayer(facts, 100, "f16", "f16")).toBe(100 * 2 * (64 + 128) * 2);
    expect(cacheBytesPerLayer(facts, 100, "q8_0", "f32")).toBe(100 * 2 * ((64 * 34) / 32 + 128 * 4));
  });

  it("are unknown for a model that does not count its layers", () => {
    expect(readLayerFacts((key) => (key === "general.architecture" ? "x" : undefined))).toBeUndefined();
  });
});

describe("gpuLayers", () => {
  let directory: string;
  let file: string;
  beforeAll(async () => {
    directory = await mkdtemp(path.join(tmpdir(), "sightline-gpu-layers-"));
    file = path.join(directory, "model.gguf");
    await writeTinyModel(file, { layers: 3 });
  });
  afterAll(() => rm(directory, { recursive: true }));

  it('"auto" reads the layers from the file', async () => {
    const llama = await loadLlama();
    const choose = (free: readonly number[], fileBytes: number): Promise<number | undefined> =>
      chooseGpuLayers(llama, file, fileBytes, resolveOptions({ contextLength: 64 }), free);
    expect(await choose([16 * gib], 1 * gib)).toBe(4);
    expect(await choose([16 * gib], 40 * gib)).toBe(1);
    expect(await choose([], 1 * gib)).toBeUndefined();
  });

  it('"auto" and a split are taken with a GPU and without one', async () => {
    for (const { name, freeBytes, totalBytes } of (await loadLlama()).devices.gpus()) {
      expect(name).not.toBe("");
      expect(freeBytes).toBeLessThanOrEqual(totalBytes);
    }
    await using decoder = await loadDecoder(file, { gpuLayers: "auto", tensorSplit: [3, 1], splitMode: "layer", contextLength: 32 });
    using sequence = decoder.createSequence();
    expect((await sequence.generate([{ type: "tokens", tokens: Int32Array.of(1) }], { maxTokens: 3, ignoreEnd: true }).result).usage.completionTokens).toBe(3);
  });

  it.each<[object, string]>([
    [{ gpuLayers: "all" }, "gpuLayers: expected an integer from 0"],
    [{ tensorSplit: [] }, "tensorSplit: expected an array of numbers from 0 up, not all 0, got []"],
    [{ tensorSplit: [0, 0] }, "not all 0"],
    [{ tensorSplit: [1, Number.NaN] }, "tensorSplit"],
    [{ tensorSplit: [-1, 2] }, "tensorSplit"],
    [{ tensorSplit: Array.from({ length: 1000 }, () => 1) }, "tensorSplit: expected at most"],
    [{ splitMode: "column" }, 'splitMode: expected "none", "layer" or "row", got column'],
    [{ mainGpu: -1 }, "mainGpu: expected an integer from 0"],
  ])("%j is refused", async (options, message) => {
    await expect(loadDecoder(file, options)).rejects.toMatchObject({ code: "bad-option", message: expect.stringContaining(message) });
  });
});
