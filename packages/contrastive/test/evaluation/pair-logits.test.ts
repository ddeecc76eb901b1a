import { describe, expect, it } from "vitest";
import { meanPairLogits } from "../../src/evaluation/pair-logits.js";

const temperature = { logitScale: Math.log(10), logitBias: -4 };

describe("meanPairLogits", () => {
  it("gives the means of matches and of other pairs", () => {
    // Two images along x and y; the texts' cosines with them: [1, 0], [0.6, 0.8], [0, 1]; the first two are image 0's.
    const set = { width: 2, images: Float32Array.of(2, 0, 0, 3), texts: Float32Array.of(5, 0, 0.6, 0.8, 0, 1), imageOfText: [0, 0, 1] };
    const { meanPositiveLogit, meanNegativeLogit } = meanPairLogits(set, temperature);
    // 10 (1 + 0.6 + 1) / 3 - 4 and 10 (0 + 0.8 + 0) / 3 - 4.
    expect(meanPositiveLogit).toBeCloseTo(14 / 3, 5);
    expect(meanNegativeLogit).toBeCloseTo(-4 / 3, 5);
  });

  it("has no mean of negatives where every pair is a match", () => {
    const set = { width: 2, images: Float32Array.of(3, 4), texts: Float32Array.of(1, 3, 2, 7, 5, 1), imageOfText: [0, 0, 0] };
    const { meanPositiveLogit, meanNegativeLogit } = meanPairLogits(set, temperature);
    expect(meanPositiveLogit).toBeCloseTo((10 * (15 / 5 / Math.sqrt(10) + 34 / 5 / Math.sqrt(53) + 19 / 5 / Math.sqrt(26))) / 3 - 4, 5);
    expect(meanNegativeLogit).toBeNaN();
  });

  it("rejects a list that does not fit", () => {
    expect(() => meanPairLogits({ width: 2, images: new Float32Array(4), texts: new Float32Array(4), imageOfText: [0] }, temperature)).toThrow("got 4 and 4 elements, and 1");
  });
});
