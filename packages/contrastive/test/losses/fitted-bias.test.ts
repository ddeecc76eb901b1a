import { describe, expect, it } from "vitest";
import { fittedLogitBias, pairLabels, seededUniform, sigmoidPairLoss, startingLogitBias, TrainingError } from "../../src/index.js";

const diagonal = (count: number): ReturnType<typeof pairLabels> => pairLabels({ images: count, imageOfText: Int32Array.from({ length: count }, (_, i) => i) });
const rows = (count: number, width: number, seed: number): Float32Array => Float32Array.from({ length: count * width }, (_, i) => 2 * seededUniform(seed, i) - 1);

describe("fittedLogitBias", () => {
  it("is log(p / (1 - p)) where all cosines are 0", () => {
    const [count, width] = [8, 16];
    // Images lie along the first eight axes, texts along the others.
    const axis = (from: number): Float32Array => Float32Array.from({ length: count * width }, (_, i) => (i % width === from + Math.floor(i / width) ? 1 : 0));
    const bias = fittedLogitBias({ width, images: axis(0), texts: axis(8) }, diagonal(count), Math.log(50));
    expect(bias).toBeCloseTo(startingLogitBias(8, 64), 6);
    expect(bias).toBeCloseTo(-1.9459, 4);
  });

  it("is where the derivative of the sigmoid loss by b is 0, whatever the towers say", () => {
    const embeddings = { width: 6, images: rows(12, 6, 1), texts: rows(12, 6, 2) };
    const labels = pairLabels({ images: 12, imageOfText: Int32Array.from({ length: 12 }, (_, i) => i), captions: Array.from({ length: 12 }, (_, i) => `caption ${i % 9}`) });
    for (const logitScale of [0, Math.log(10), Math.log(118)]) {
      const logitBias = fittedLogitBias(embeddings, labels, logitScale);
      expect(Math.abs(sigmoidPairLoss(embeddings, labels, { logitScale, logitBias }).logitBiasGradient)).toBeLessThan(1e-6);
    }
  });

  it("needs matches and negatives", () => {
    expect(() => fittedLogitBias({ width: 2, images: rows(1, 2, 1), texts: rows(1, 2, 2) }, diagonal(1), 0)).toThrow(TrainingError);
  });
});
