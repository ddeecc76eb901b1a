import { describe, expect, it } from "vitest";
import { classEmbeddings, zeroShotAccuracy } from "../../src/evaluation/zero-shot.js";

describe("classEmbeddings", () => {
  it("averages the unit rows of a class's templates, and gives the mean unit length", () => {
    // Class 0: along x whatever the length, and along y; class 1: twice along y.
    const classes = classEmbeddings(Float32Array.of(10, 0, 0, 0.5, 0, 3, 0, 1), 2, 2);
    [Math.SQRT1_2, Math.SQRT1_2, 0, 1].forEach((value, k) => expect(classes[k]).toBeCloseTo(value, 6));
  });

  it("leaves a class whose templates cancel each other at zero", () => {
    expect([...classEmbeddings(Float32Array.of(1, 0, -1, 0), 2, 2)]).toEqual([0, 0]);
  });
});

describe("zeroShotAccuracy", () => {
  const classes = Float32Array.from({ length: 7 * 7 }, (_, k) => (k % 8 === 0 ? 1 : 0));

  it("tells how often the own class is nearest, and among the nearest five", () => {
    // An image's cosines with the seven classes are its own numbers, but for its length.
    const images = Float32Array.of(7, 6, 5, 4, 3, 2, 1, 1, 2, 3, 4, 5, 6, 7, 1, 2, 3, 4, 5, 6, 7, 0.2, 0, 0, 0, 0, 0, 0);
    // Ranks 1, 5, 6 and 1.
    expect(zeroShotAccuracy(images, classes, [0, 2, 1, 0], 7)).toEqual({ top1: 0.5, top5: 0.75 });
  });

  it("joins its tiles", () => {
    const images = Float32Array.from({ length: 40 * 7 }, (_, k) => (k % 7 === Math.floor(k / 7) % 7 ? 1 : 0));
    const labels = Int32Array.from({ length: 40 }, (_, i) => (i < 30 ? i % 7 : (i + 1) % 7));
    expect(zeroShotAccuracy(images, classes, labels, 7)).toEqual({ top1: 0.75, top5: 0.75 });
  });

  it("counts ties, and cosines that are no numbers, against the image", () => {
    expect(zeroShotAccuracy(Float32Array.of(1, 1, 0, 0, 0, 0, 0), classes, [0], 7)).toEqual({ top1: 0, top5: 1 });
    expect(zeroShotAccuracy(new Float32Array(7).fill(Number.NaN), classes, [0], 7)).toEqual({ top1: 0, top5: 0 });
  });

  it("rejects labels that do not fit", () => {
    expect(() => zeroShotAccuracy(new Float32Array(7), classes, [7], 7)).toThrow("image 0 expected a label from 0 to 6, got 7");
    expect(() => zeroShotAccuracy(new Float32Array(7), classes, [], 7)).toThrow("as many labels as images, at least one, got 0 and 1");
  });
});
