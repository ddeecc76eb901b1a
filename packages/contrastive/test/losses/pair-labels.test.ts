import { describe, expect, it } from "vitest";

import { captionKey, denseLabels, pairLabels, type PairLabelOptions } from "../../src/index.js";

function matrix(options: PairLabelOptions): number[][] {
  const labels = pairLabels(options);
  const dense = [...denseLabels(labels)];
  return Array.from({ length: labels.images }, (_, i) => dense.slice(i * labels.texts, (i + 1) * labels.texts));
}

describe("pairLabels", () => {
  it("is +1 on the diagonal of a plain batch and -1 elsewhere", () => {
    expect(matrix({ images: 3, imageOfText: [0, 1, 2] })).toEqual([[1, -1, -1], [-1, 1, -1], [-1, -1, 1]]);
  });

  it("takes several texts an image and texts of no image", () => {
    expect(matrix({ images: 2, imageOfText: [0, 1, 0, -1] })).toEqual([[1, -1, 1, -1], [-1, 1, -1, -1]]);
  });

  it("never counts a duplicate caption as a negative", () => {
    const options = { images: 3, imageOfText: [0, 1, 2], captions: ["A dog.", "a cat", " a  DOG"] };
    expect(matrix(options)).toEqual([[1, -1, 0], [-1, 1, -1], [0, -1, 1]]);
    expect(matrix({ ...options, duplicates: "positive" })).toEqual([[1, -1, 1], [-1, 1, -1], [1, -1, 1]]);
  });

  it("never counts texts of the same image as negatives, nor what those texts repeat", () => {
    const options = { images: 3, imageOfText: [0, 1, 2], imageIds: ["x", "y", "x"], captions: ["a", "b", "b"] };
    expect(matrix(options)).toEqual([[1, 0, 0], [-1, 1, 0], [0, 0, 1]]);
  });

  it("weights matches by text and negatives alike", () => {
    const options = { images: 2, imageOfText: [0, 1, 1], weights: [2, 0.5, 1], negativeWeight: 0.25, captions: ["a", "b", "a"], duplicates: "positive" as const };
    expect(matrix(options)).toEqual([[2, -0.25, 1], [2, 0.5, 1]]);
  });

  it("gives some rows alone", () => {
    expect([...denseLabels(pairLabels({ images: 3, imageOfText: [0, 1, 2] }), 1, 2)]).toEqual([-1, 1, -1]);
  });

  it.each([
    [{ images: 2, imageOfText: [0, 2] }, "text 1 expected an image from 0 to 1 or -1, got 2"],
    [{ images: 2, imageOfText: [0, 1], captions: ["a"] }, "expected 2 captions, got 1"],
    [{ images: 2, imageOfText: [0, 1], imageIds: ["a"] }, "expected 2 imageIds, got 1"],
    [{ images: 2, imageOfText: [0, 1], weights: [1, 0] }, "expected weights above 0, got 0"],
    [{ images: 2, imageOfText: [0, 1], negativeWeight: Number.NaN }, "expected weights above 0, got NaN"],
  ])("refuses %j", (options, message) => {
    expect(() => pairLabels(options)).toThrow(message);
  });
});

describe("captionKey", () => {
  it.each([
    ["A Dog, running!", "a dog running"],
    ["  a\tdog\nrunning ", "a dog running"],
    ["ｄｏｇ", "dog"],
    ["!?", "!?"],
    ["Ünter 5°", "ünter 5°"],
  ])("%j -> %j", (caption, key) => {
    expect(captionKey(caption)).toBe(key);
  });
});
