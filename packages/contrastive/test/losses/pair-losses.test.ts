import fc from "fast-check";
import { describe, expect, it } from "vitest";

import {
  ChunkedSigmoidLoss,
  logitScaleLimit,
  pairLabels,
  sigmoidLoss,
  sigmoidPairLoss,
  softmaxLoss,
  softmaxPairLoss,
  startingLogitBias,
  TrainingError,
  type NegativeSelection,
} from "../../src/index.js";
import { finiteDifferences, graphResult, mixedLabels, relativeError, seededEmbeddings, seededValues, temperature, withGraphLoss, type GraphLoss, type LossGradients } from "./loss-cases.js";

const softplus = (x: number): number => Math.log1p(Math.exp(x));
const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
/** Unit rows with cosines [[1, 0], [0.6, 0.8]], before normalisation. */
const twoPairs = { width: 2, images: Float32Array.of(3, 0, 6, 8), texts: Float32Array.of(2, 0, 0, 0.5) };
const plain = pairLabels({ images: 2, imageOfText: [0, 1] });

/** The largest relative difference of the gradients; those of t' and b may cancel, so that they are held against 5. */
function gradientError(got: LossGradients, want: LossGradients): number {
  return Math.max(
    relativeError(got.imageGradients, want.imageGradients),
    relativeError(got.textGradients, want.textGradients),
    Math.abs(got.logitScaleGradient - want.logitScaleGradient) / 5,
    Math.abs(got.logitBiasGradient - want.logitBiasGradient) / 5,
  );
}

const selections: readonly (readonly [string, NegativeSelection])[] = [
  ["all negatives", {}],
  ["the two hardest negatives of an image", { hardest: 2 }],
  ["negatives up to a cosine of 0.2", { maxCosine: 0.2 }],
  ["both", { hardest: 1, maxCosine: 0.1 }],
];

describe("sigmoidPairLoss", () => {
  it("is what two pairs give by hand, gradients included", () => {
    const result = sigmoidPairLoss(twoPairs, plain, { logitScale: Math.log(2), logitBias: -0.5 });
    const logits = [1.5, -0.5, 0.7, 1.1] as const;
    expect(result.loss).toBeCloseTo((softplus(-1.5) + softplus(-0.5) + softplus(0.7) + softplus(-1.1)) / 2, 6);
    const g = [sigmoid(1.5) - 1, sigmoid(-0.5), sigmoid(0.7), sigmoid(1.1) - 1].map((value) => value / 2) as [number, number, number, number];
    expect(result.logitBiasGradient).toBeCloseTo(g[0] + g[1] + g[2] + g[3], 6);
    expect(result.logitScaleGradient).toBeCloseTo(g.reduce((sum, value, i) => sum + value * (logits[i]! + 0.5), 0), 6);
    // Image 0 is (3, 0): its gradient is 2 (g00 (1, 0) + g01 (0, 1)) without the part along it, over its length.
    expect([...result.imageGradients.subarray(0, 2)].map((x) => x.toFixed(6))).toEqual([0, (2 * g[1]) / 3].map((x) => x.toFixed(6)));
    expect(result.meanPositiveLogit).toBeCloseTo(1.3, 6);
    expect(result.meanNegativeLogit).toBeCloseTo(0.1, 6);
  });

  it("starts at 10.003 for 64 pairs that know nothing of each other, t = 10 and b = -10", () => {
    const [images, texts] = [new Float32Array(128), new Float32Array(128)];
    for (let i = 0; i < 64; i++) [images[2 * i], texts[2 * i + 1]] = [1, 1];
    const labels = pairLabels({ images: 64, imageOfText: Array.from({ length: 64 }, (_, i) => i) });
    expect(sigmoidPairLoss({ width: 2, images, texts }, labels, { logitScale: Math.log(10), logitBias: -10 }).loss).toBeCloseTo(10.003, 3);
  });

  it("keeps the hardest negative of each image alone, or those that are not suspiciously near", () => {
    const three = { width: 2, images: Float32Array.of(1, 0), texts: Float32Array.of(1, 0, 0.6, 0.8, 0.8, 0.6) };
    const labels = pairLabels({ images: 1, imageOfText: [0, -1, -1] });
    const at = { logitScale: 0, logitBias: 0 };
    expect(sigmoidPairLoss(three, labels, at, { hardest: 1 }).loss).toBeCloseTo(softplus(-1) + softplus(0.8), 6);
    expect(sigmoidPairLoss(three, labels, at, { maxCosine: 0.7 }).loss).toBeCloseTo(softplus(-1) + softplus(0.6), 6);
    expect(sigmoidPairLoss(three, labels, at, { maxCosine: 0.7, hardest: 1 }).loss).toBeCloseTo(softplus(-1) + softplus(0.6), 6);
  });

  it.each(selections)("has the derivatives of its finite differences with %s", async (_, negatives) => {
    const embeddings = seededEmbeddings(5, 7, 4);
    const want = await finiteDifferences((e, t) => sigmoidPairLoss(e, mixedLabels, t, negatives).loss, embeddings, temperature, 0.01);
    expect(gradientError(sigmoidPairLoss(embeddings, mixedLabels, temperature, negatives), want)).toBeLessThan(2e-4);
  });

  it("gives a zero embedding no gradient instead of NaN", () => {
    const result = sigmoidPairLoss({ ...twoPairs, images: Float32Array.of(0, 0, 6, 8) }, plain, temperature);
    expect(Math.max(...result.imageGradients.subarray(0, 2).map(Math.abs))).toBe(0);
    expect([...result.textGradients].every(Number.isFinite)).toBe(true);
  });

  it("refuses embeddings that do not fit their labels, and selections of nothing", () => {
    expect(() => sigmoidPairLoss({ ...twoPairs, width: 3 }, plain, temperature)).toThrow("expected embeddings [2, 3] and [2, 3]");
    expect(() => sigmoidPairLoss(twoPairs, plain, temperature, { hardest: 0 })).toThrow("expected hardest to be a whole number above 0, got 0");
  });
});

describe("sigmoidLoss, in a graph", () => {
  it.each(selections)("and its gradients are those of sigmoidPairLoss with %s", async (_, negatives) => {
    const embeddings = seededEmbeddings(5, 7, 4, 11);
    const got = await graphResult((t) => sigmoidLoss(t.images, t.texts, t.labels, t.logitScale, t.logitBias, negatives), embeddings, mixedLabels, temperature);
    const want = sigmoidPairLoss(embeddings, mixedLabels, temperature, negatives);
    expect(got.loss).toBeCloseTo(want.loss, 5);
    expect(gradientError(got, want)).toBeLessThan(2e-6);
  });

  it.each<[string, GraphLoss]>([
    ["sigmoid", (t) => sigmoidLoss(t.images, t.texts, t.labels, t.logitScale, t.logitBias)],
    ["hardest negatives", (t) => sigmoidLoss(t.images, t.texts, t.labels, t.logitScale, t.logitBias, { hardest: 3 })],
    ["softmax", (t) => softmaxLoss(t.images, t.texts, t.labels, t.logitScale)],
  ])("has the derivatives of its finite differences: %s", async (name, build) => {
    const embeddings = seededEmbeddings(5, 7, 4, 21);
    const want = await withGraphLoss(build, embeddings, mixedLabels, (loss) => finiteDifferences(loss, embeddings, temperature, 0.02));
    const got = await graphResult(build, embeddings, mixedLabels, temperature, name !== "softmax");
    expect(gradientError(got, want)).toBeLessThan(1e-3);
  });
});

describe("ChunkedSigmoidLoss", () => {
  it.each(selections)("gives the loss and gradients of sigmoidPairLoss with %s, whatever the chunk", async (_, negatives) => {
    const embeddings = seededEmbeddings(5, 7, 4, 31);
    const want = sigmoidPairLoss(embeddings, mixedLabels, temperature, negatives);
    for (const chunk of [1, 2, 3, 5, 100]) {
      await using loss = await ChunkedSigmoidLoss.open({ width: 4, chunk, negatives, device: "cpu", threads: 1 });
      const got = await loss.evaluate(embeddings, mixedLabels, temperature);
      expect(got.loss).toBeCloseTo(want.loss, 5);
      expect(gradientError(got, want)).toBeLessThan(2e-6);
      expect(got.meanPositiveLogit).toBeCloseTo(want.meanPositiveLogit, 5);
      expect(got.meanNegativeLogit).toBeCloseTo(want.meanNegativeLogit, 5);
    }
  });

  it("holds for any batch, labels and temperature", async () => {
    await using loss = await ChunkedSigmoidLoss.open({ width: 3, chunk: 4, device: "cpu", threads: 1 });
    const batch = fc.integer({ min: 1, max: 13 }).chain((images) =>
      fc.record({ images: fc.constant(images), imageOfText: fc.array(fc.integer({ min: -1, max: images - 1 }), { minLength: 1, maxLength: 13 }), seed: fc.nat(), words: fc.integer({ min: 1, max: 9 }), t: fc.integer({ min: 1, max: 120 }), b: fc.integer({ min: -16, max: 4 }) }),
    );
    await fc.assert(
      fc.asyncProperty(batch, async ({ images, imageOfText, seed, words, t, b }) => {
        const labels = pairLabels({ images, imageOfText, captions: imageOfText.map((_, i) => `word ${(i * 7) % words}`) });
        const embeddings = seededEmbeddings(images, imageOfText.length, 3, seed);
        const at = { logitScale: Math.log(t), logitBias: b };
        const [got, want] = [await loss.evaluate(embeddings, labels, at), sigmoidPairLoss(embeddings, labels, at)];
        expect(Math.abs(got.loss - want.loss)).toBeLessThan(1e-5 * (1 + want.loss));
        expect(relativeError([...got.imageGradients, ...got.textGradients, t], [...want.imageGradients, ...want.textGradients, t])).toBeLessThan(1e-5);
      }),
      { numRuns: 60 },
    );
  });

  it("can be used again, each time from nothing", async () => {
    await using loss = await ChunkedSigmoidLoss.open({ width: 4, chunk: 3, device: "cpu", threads: 1 });
    const embeddings = seededEmbeddings(5, 7, 4);
    const first = await loss.evaluate(embeddings, mixedLabels, temperature);
    expect(await loss.evaluate(embeddings, mixedLabels, temperature)).toEqual(first);
  });

  it("refuses a chunk of nothing and embeddings of another width", async () => {
    await expect(ChunkedSigmoidLoss.open({ width: 4, chunk: 0 })).rejects.toThrow(new TrainingError("ChunkedSigmoidLoss.open: expected a chunk of at least one pair, got 0"));
    await using loss = await ChunkedSigmoidLoss.open({ width: 4, device: "cpu", threads: 1 });
    await expect(loss.evaluate(twoPairs, plain, temperature)).rejects.toThrow("opened for embeddings 4 wide, got 2");
  });
});

describe("softmaxPairLoss", () => {
  it("is what two pairs give by hand", () => {
    const { loss, logitBiasGradient } = softmaxPairLoss(twoPairs, plain, { logitScale: Math.log(2), logitBias: 5 });
    // Logits [[2, 0], [1.2, 1.6]]: rows choose the text, columns the image.
    const rows = (softplus(0 - 2) + softplus(1.2 - 1.6)) / 2;
    const columns = (softplus(1.2 - 2) + softplus(0 - 1.6)) / 2;
    expect(loss).toBeCloseTo((rows + columns) / 2, 6);
    expect(logitBiasGradient).toBe(0);
  });

  it("spreads the target over an image's texts, leaves out a text of no image, and a duplicate from the denominator", () => {
    // Cosines of the image with the texts: 1, 0, 0.6.
    const one = { width: 2, images: Float32Array.of(1, 0), texts: Float32Array.of(1, 0, 0, 1, 0.6, 0.8) };
    const sum = Math.log(Math.exp(1) + Math.exp(0) + Math.exp(0.6));
    const two = softmaxPairLoss(one, pairLabels({ images: 1, imageOfText: [0, 0, -1] }), { logitScale: 0, logitBias: 0 });
    // Each text has one image to choose, so that half is 0.
    expect(two.loss).toBeCloseTo((sum - 0.5 * 1 - 0.5 * 0) / 2, 6);
    const duplicate = softmaxPairLoss(one, pairLabels({ images: 1, imageOfText: [0, -1, -1], captions: ["a", "b", "A"] }), { logitScale: 0, logitBias: 0 });
    expect(duplicate.loss).toBeCloseTo(softplus(0 - 1) / 2, 6);
  });

  it("has the derivatives of its finite differences", async () => {
    const embeddings = seededEmbeddings(5, 7, 4, 41);
    const want = await finiteDifferences((e, t) => softmaxPairLoss(e, mixedLabels, t).loss, embeddings, temperature, 0.01);
    expect(gradientError(softmaxPairLoss(embeddings, mixedLabels, temperature), want)).toBeLessThan(2e-4);
  });

  it("agrees with softmaxLoss in a graph, gradients included", async () => {
    const embeddings = { width: 4, images: seededValues(20, 51), texts: seededValues(28, 52) };
    const got = await graphResult((t) => softmaxLoss(t.images, t.texts, t.labels, t.logitScale), embeddings, mixedLabels, temperature, false);
    const want = softmaxPairLoss(embeddings, mixedLabels, temperature);
    expect(got.loss).toBeCloseTo(want.loss, 5);
    expect(gradientError(got, want)).toBeLessThan(2e-6);
  });
});

describe("temperature", () => {
  it("starts the bias at the share of matches", () => {
    expect(startingLogitBias(64, 64 * 64)).toBeCloseTo(-Math.log(63), 10);
    expect(startingLogitBias(22_026, 22_026 ** 2)).toBeCloseTo(-10, 3);
    expect(() => startingLogitBias(1, 1)).toThrow("got 1 matches among 1 pairs");
  });

  it("limits the scale never below what the checkpoint ships", () => {
    expect(logitScaleLimit(4.7215, Math.log(100))).toBe(4.7215);
    expect(logitScaleLimit(2, Math.log(100))).toBe(Math.log(100));
    expect(logitScaleLimit(4.7215)).toBe(Number.POSITIVE_INFINITY);
  });
});
