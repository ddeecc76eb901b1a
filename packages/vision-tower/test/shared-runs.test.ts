import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { decodeImage, ImageError, loadSiglip, type ImageEmbeddings, type Siglip } from "../src/index.js";
import { goldenPath } from "./goldens.js";

const mini = fileURLToPath(new URL("../../../models/mini/siglip", import.meta.url));
const files = ["photo.jpg", "photo-crop.png", "decode/rgba.png", "decode/orientation-6.jpg", "decode/grey.jpg"].map((name) => goldenPath(name));
// The order of sums in a matrix product changes with the number of its rows.
const tolerance = 1e-5;

function furthest(got: Float32Array, want: Float32Array): number {
  expect(got.length).toBe(want.length);
  return got.reduce((most, value, i) => Math.max(most, Math.abs(value - (want[i] as number))), 0);
}

describe("calls that overlap on one tower", () => {
  let siglip: Siglip;
  let alone: ImageEmbeddings[];
  beforeAll(async () => {
    siglip = await loadSiglip(mini, { towers: ["vision"], threads: 1, batch: { maxImages: 5 } });
    alone = [];
    for (const file of files) alone.push(await siglip.encodeImages([file]));
  });
  afterAll(() => siglip[Symbol.asyncDispose]());

  function expectRow({ patchTokens, pooled, patches, width }: ImageEmbeddings, row: number, file: number): void {
    const want = alone[file] as ImageEmbeddings;
    expect(furthest(patchTokens.subarray(row * patches * width, (row + 1) * patches * width), want.patchTokens)).toBeLessThan(tolerance);
    expect(furthest(pooled.subarray(row * width, (row + 1) * width), want.pooled)).toBeLessThan(tolerance);
  }

  it("give every caller what it gets alone: files, bytes and decoded images, one and several a call", async () => {
    const decoded = await Promise.all(files.map((file) => decodeImage(file)));
    const calls = Array.from({ length: 24 }, (_, call) => Array.from({ length: call % 4 }, (_, i) => (call * 3 + i) % files.length));
    const results = await Promise.all(
      calls.map((picks, call) => siglip.encodeImages(picks.map((pick) => (call % 2 === 0 ? files : decoded)[pick] as string))),
    );
    results.forEach((result, call) => {
      const picks = calls[call] as number[];
      expect([result.batch, result.grids.length]).toEqual([picks.length, picks.length]);
      picks.forEach((pick, row) => expectRow(result, row, pick));
    });
  });

  it("hear of their own images' errors and of nobody else's", async () => {
    const nowhere = goldenPath("nowhere.png");
    const calls = Array.from({ length: 12 }, (_, i) => siglip.encodeImages(i % 3 === 1 ? [files[0] as string, nowhere] : [files[i % 5] as string]));
    const results = await Promise.allSettled(calls);
    results.forEach((result, i) => {
      if (result.status === "rejected") expect(result.reason).toBeInstanceOf(ImageError);
      else expectRow(result.value, 0, i % 5);
    });
    expect(results.map(({ status }) => status === "rejected")).toEqual(Array.from({ length: 12 }, (_, i) => i % 3 === 1));
  });

  it("end on their own signals, in the middle, while the others go on", async () => {
    const controller = new AbortController();
    const long = siglip.encodeImages(Array.from({ length: 200 }, (_, i) => files[i % 5] as string), { signal: controller.signal });
    const short = siglip.encodeImages([files[2] as string]);
    expectRow(await short, 0, 2);
    controller.abort(new Error("enough"));
    await expect(long).rejects.toThrow("enough");
    expectRow(await siglip.encodeImages([files[3] as string]), 0, 3);
  });

  it("do not change results that were handed out before", async () => {
    const first = await siglip.encodeImages([files[1] as string]);
    const copy = first.patchTokens.slice();
    await Promise.all(files.map((file) => siglip.encodeImages([file, file])));
    expect(first.patchTokens).toEqual(copy);
  });

  it("are finished when the tower is disposed among them", async () => {
    const tower = await loadSiglip(mini, { towers: ["vision"], threads: 1 });
    const controller = new AbortController();
    const calls = files.map((file) => tower.encodeImages([file, file, file]));
    const aborted = Promise.allSettled([tower.encodeImages(files, { signal: controller.signal })]);
    controller.abort(new Error("enough"));
    await tower[Symbol.asyncDispose]();
    expect(await aborted).toMatchObject([{ status: "rejected", reason: { message: "enough" } }]);
    (await Promise.all(calls)).forEach((result, i) => expectRow(result, 2, i));
  });
});

describe("loadSiglip's batch option", () => {
  it.each([[{ maxImages: 0 }, /batch\.maxImages to be an integer of at least 1, got 0/], [{ maxImages: 1.5 }, /got 1\.5/], [{ maxWaitMs: -1 }, /batch\.maxWaitMs to be a time in ms, 0 or more, got -1/]])(
    "refuses %o",
    async (batch, message) => {
      await expect(loadSiglip(mini, { batch })).rejects.toThrow(message);
    },
  );
});
