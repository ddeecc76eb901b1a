import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { alone, pairLabels, ringSigmoidLoss, seededUniform, sigmoidPairLoss } from "../../src/index.js";
import { hasMpi, mpirun } from "./mpirun.js";

const script = fileURLToPath(new URL("ring-process.mjs", import.meta.url));
const width = 12;
const temperature = { logitScale: Math.log(9), logitBias: -2 };

let folder: string;
beforeAll(async () => void (folder = await mkdtemp(path.join(tmpdir(), "ring-"))));
afterAll(() => rm(folder, { recursive: true, force: true }));

/** The batch of `count` pairs as ring-process.mjs makes it, and what one process makes of it. */
function wholeBatch(count: number): { readonly embeddings: { readonly width: number; readonly images: Float32Array; readonly texts: Float32Array }; readonly captions: string[]; readonly imageIds: string[] } {
  const rows = (seed: number): Float32Array => Float32Array.from({ length: count * width }, (_, i) => 2 * seededUniform(seed, i) - 1);
  return {
    embeddings: { width, images: rows(1), texts: rows(2) },
    captions: Array.from({ length: count }, (_, i) => (i % 5 === 0 ? "The same, everywhere." : `caption ${i}`)),
    imageIds: Array.from({ length: count }, (_, i) => (i % 7 === 3 ? "one picture" : `picture ${i}`)),
  };
}

function onOneProcess(count: number): ReturnType<typeof sigmoidPairLoss> {
  const { embeddings, captions, imageIds } = wholeBatch(count);
  return sigmoidPairLoss(embeddings, pairLabels({ images: count, imageOfText: Int32Array.from({ length: count }, (_, i) => i), captions, imageIds }), temperature);
}

const ring = (splits: readonly number[], how = "run"): ReturnType<typeof mpirun> => mpirun(splits.length, script, folder, splits.join(), how);

interface RankResult {
  readonly loss: number;
  readonly imageGradients: number[];
  readonly textGradients: number[];
  readonly temperatureGradients: [number, number, number];
  readonly meanPositiveLogit: number;
  readonly meanNegativeLogit: number;
}

function relative(actual: readonly number[], expected: ArrayLike<number>): number {
  const largest = Array.from(expected).reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return actual.reduce((most, value, i) => Math.max(most, Math.abs(value - (expected[i] as number))), 0) / largest;
}

describe("ringSigmoidLoss", () => {
  it("by itself is the loss of one process", async () => {
    const { embeddings, captions, imageIds } = wholeBatch(9);
    const result = await ringSigmoidLoss(alone(), sigmoidPairLoss, embeddings, { captions, imageIds }, temperature);
    const expected = onOneProcess(9);
    expect(result.loss).toBeCloseTo(expected.loss, 10);
    expect(relative([...result.textGradients], expected.textGradients)).toBeLessThan(1e-6);
    expect(result.meanPositiveLogit).toBeCloseTo(expected.meanPositiveLogit, 5);
  });

  it.runIf(hasMpi()).each([[[5, 5]], [[7, 4, 1]], [[3, 6, 2, 8]]])("over %j pairs a process gives loss and gradients of one, within 1e-5", async (splits) => {
    const { code, stderr } = await ring(splits);
    expect(stderr).toBe("");
    expect(code).toBe(0);
    const total = splits.reduce((sum, n) => sum + n, 0);
    const expected = onOneProcess(total);
    let start = 0;
    for (const [rank, count] of splits.entries()) {
      const result = JSON.parse(await readFile(path.join(folder, `${rank}.json`), "utf8")) as RankResult;
      expect(Math.abs(result.loss / expected.loss - 1)).toBeLessThan(1e-5);
      expect(relative(result.imageGradients, expected.imageGradients.slice(start * width, (start + count) * width))).toBeLessThan(1e-5);
      expect(relative(result.textGradients, expected.textGradients.slice(start * width, (start + count) * width))).toBeLessThan(1e-5);
      expect(relative(result.temperatureGradients, [expected.logitScaleGradient, expected.logitBiasGradient, (splits.length * (splits.length + 1)) / 2])).toBeLessThan(1e-5);
      expect(result.meanNegativeLogit).toBeCloseTo(expected.meanNegativeLogit, 4);
      start += count;
    }
  });

  it.runIf(hasMpi()).each([["exit"], ["kill"], ["throw"]])("a process that ends (%s) ends the others, and is named", async (how) => {
    const { code, stderr } = await ring([3, 3, 3], how);
    expect(code).not.toBe(0);
    expect(stderr).toMatch(how === "throw" ? /sightline: rank 1 of 3: a broken picture/ : /rank 1|\[1\]|PMIX|exited/i);
  });
});
