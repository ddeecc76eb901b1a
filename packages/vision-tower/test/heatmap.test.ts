import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { Graph, openSession } from "@sightline/graph";
import { openWeights, writeSafetensors, type TensorToWrite } from "@sightline/weights";
import fc from "fast-check";
import sharp from "sharp";
import { describe, expect, it } from "vitest";

import { heatColour } from "../src/heatmap/heat-colours.js";
import { Heatmap } from "../src/heatmap/heatmap.js";
import { upsampleGrid } from "../src/heatmap/upsample-grid.js";
import { loadSiglip, loadSiglipConfig, siglipPatchEmbeddings, siglipPooledEmbedding, weightParameters } from "../src/index.js";
import { goldenPath } from "./goldens.js";

describe("siglipPatchEmbeddings", () => {
  it("gives each patch what the pooling head gives a picture of that patch alone", async () => {
    const { config } = await loadSiglipConfig(goldenPath("siglip-bfloat16"));
    const { width } = config.vision;
    await using source = await openWeights(goldenPath("siglip-bfloat16"));
    const graph = new Graph();
    const tokens = graph.input("tokens", "float32", ["B", 1, width]);
    const parameter = weightParameters(graph, source);
    graph.output("pooled", siglipPooledEmbedding(tokens, parameter, config.vision));
    graph.output("patches", siglipPatchEmbeddings(tokens, parameter, config.vision));
    await using session = await openSession(graph, { device: "cpu" });
    const data = Float32Array.from({ length: 3 * width }, (_, i) => Math.sin(i * i));
    const { pooled, patches } = await session.run({ tokens: { dtype: "float32", shape: [3, 1, width], data } });
    expect(pooled?.data.length).toBe(3 * width);
    pooled?.data.forEach((value, i) => expect(Math.abs(Number(value) - Number(patches?.data[i]))).toBeLessThan(1e-5));
  });
});

/** The NaFlex golden with a tokenizer, and with a token table of as many rows as that one needs. */
async function naflexWithTokenizer(): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), "heatmap-test-"));
  await cp(goldenPath("siglip2-naflex"), folder, { recursive: true });
  await cp(goldenPath("tokenizers/sentencepiece"), folder, { recursive: true });
  const config = JSON.parse(await readFile(path.join(folder, "config.json"), "utf8")) as { text_config: { vocab_size: number } };
  const vocabularySize = 4 * config.text_config.vocab_size;
  await writeFile(path.join(folder, "config.json"), JSON.stringify({ ...config, text_config: { ...config.text_config, vocab_size: vocabularySize } }));
  await using source = await openWeights(goldenPath("siglip2-naflex"));
  const tensors: TensorToWrite[] = [];
  for (const { name, dtype, shape } of source.tensors.values()) {
    const bytes = await source.readBytes(name);
    if (name === "text_model.embeddings.token_embedding.weight") {
      tensors.push({ name, dtype, shape: [vocabularySize, shape[1] as number], data: Buffer.concat([bytes, bytes, bytes, bytes]) });
    } else tensors.push({ name, dtype, shape, data: bytes });
  }
  await writeSafetensors(path.join(folder, "model.safetensors"), tensors);
  return folder;
}

describe("Siglip.heatmap", () => {
  it("scores the patches of a NaFlex picture, and not its padding", async () => {
    const folder = await naflexWithTokenizer();
    await using siglip = await loadSiglip(folder);
    const { grids, patches } = await siglip.encodeImages([goldenPath("photo-tall.png")]);
    const { grid, scores } = await siglip.heatmap(goldenPath("photo-tall.png"), "a cat");
    expect(grid).toEqual(grids[0]);
    expect(grid.rows).not.toBe(grid.columns);
    expect(scores).toHaveLength(grid.rows * grid.columns);
    expect(scores.length).toBeLessThan(patches);
    for (const score of scores) expect(Math.abs(score)).toBeLessThanOrEqual(1.000001);
    await rm(folder, { recursive: true });
  });

  it("needs the text tower's tokenizer, and stops at the signal", async () => {
    await using siglip = await loadSiglip(goldenPath("siglip-float16"));
    await expect(siglip.heatmap(goldenPath("photo.jpg"), "a cat")).rejects.toThrow(/tokenizer/);
    await expect(siglip.heatmap(goldenPath("photo.jpg"), "a cat", { signal: AbortSignal.abort(new Error("enough")) })).rejects.toThrow("enough");
  });
});

describe("heatColour", () => {
  it("gets lighter all the way, also in grey", () => {
    const lightness = Array.from({ length: 65 }, (_, i) => {
      const [red, green, blue] = heatColour(i / 64);
      return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    });
    for (let i = 1; i < lightness.length; i++) expect(lightness[i]).toBeGreaterThan(lightness[i - 1] as number);
  });

  it("ends at its ends", () => {
    expect(heatColour(-1)).toEqual(heatColour(0));
    expect(heatColour(2)).toEqual(heatColour(1));
  });
});

describe("upsampleGrid", () => {
  it("has each value in the middle of its cell, and none beyond them", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 5 }), fc.array(fc.float({ noNaN: true, min: -9, max: 9 }), { minLength: 25, maxLength: 25 }), (rows, columns, numbers) => {
        const values = Float32Array.from(numbers.slice(0, rows * columns));
        const [width, height] = [columns * 7, rows * 7];
        const picture = upsampleGrid(values, { rows, columns }, width, height);
        values.forEach((value, i) => {
          const [row, column] = [Math.floor(i / columns), i % columns];
          expect(picture[(row * 7 + 3) * width + column * 7 + 3]).toBeCloseTo(value, 4);
        });
        for (const value of picture) {
          expect(value).toBeGreaterThanOrEqual(Math.min(...values));
          expect(value).toBeLessThanOrEqual(Math.max(...values));
        }
      }),
      { numRuns: 30 },
    );
  });

  it("is smooth between cells", () => {
    const picture = upsampleGrid(Float32Array.of(0, 1), { rows: 1, columns: 2 }, 64, 1);
    for (let x = 1; x < 64; x++) {
      expect((picture[x] as number) - (picture[x - 1] as number)).toBeGreaterThanOrEqual(0);
      expect((picture[x] as number) - (picture[x - 1] as number)).toBeLessThan(0.05);
    }
  });
});

describe("Heatmap.png", () => {
  const grey = { width: 60, height: 30, data: new Uint8Array(60 * 30 * 3).fill(128) };
  const heatmap = new Heatmap({ rows: 1, columns: 2 }, Float32Array.of(-0.2, 0.4), 0.5, grey);

  async function pixelsOf(png: Uint8Array): Promise<{ width: number; height: number; at: (x: number, y: number) => number[] }> {
    const { data, info } = await sharp(png).raw().toBuffer({ resolveWithObject: true });
    expect(info).toMatchObject({ format: "raw", channels: 3 });
    return { width: info.width, height: info.height, at: (x, y) => [...data.subarray((y * info.width + x) * 3, (y * info.width + x) * 3 + 3)] };
  }

  const rounded = (heat: number): number[] => heatColour(heat).map(Math.round);

  it("draws the least score coldest and the greatest hottest, at the picture's size", async () => {
    const { width, height, at } = await pixelsOf(await heatmap.png({ opacity: 1 }));
    expect([width, height]).toEqual([60, 30]);
    expect(heatmap.range).toEqual([Math.fround(-0.2), Math.fround(0.4)]);
    expect([at(2, 15), at(58, 15)]).toEqual([rounded(0), rounded(1)]);
  });

  it("keeps the picture under the heat", async () => {
    expect((await pixelsOf(await heatmap.png({ opacity: 0 }))).at(30, 15)).toEqual([128, 128, 128]);
    const half = (await pixelsOf(await heatmap.png({ opacity: 0.5 }))).at(2, 15);
    half.forEach((value, c) => expect(Math.abs(value - (128 + (heatColour(0)[c] as number)) / 2)).toBeLessThanOrEqual(1));
  });

  it("draws by a range that is given, and shrinks to a side that is given", async () => {
    const { width, height, at } = await pixelsOf(await heatmap.png({ opacity: 1, range: [0.5, 1], maxSide: 20 }));
    expect([width, height]).toEqual([20, 10]);
    expect(at(19, 5)).toEqual(rounded(0));
  });

  it("draws one score for all patches as cold", async () => {
    const even = new Heatmap({ rows: 1, columns: 1 }, Float32Array.of(0.3), 0.5, grey);
    expect((await pixelsOf(await even.png({ opacity: 1 }))).at(30, 15)).toEqual(rounded(0));
  });

  it.each([
    [{ maxSide: 0 }, "expected maxSide to be at least 1 pixel, got 0"],
    [{ opacity: 2 }, "expected an opacity from 0 to 1, got 2"],
    [{ range: [1, 0] as const }, "expected a range from low to high, got 1 to 0"],
  ])("refuses %j", async (options, message) => {
    await expect(heatmap.png(options)).rejects.toThrow(message);
  });
});
