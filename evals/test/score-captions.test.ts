import { readFileSync } from "node:fs";
import { documentFrequency, EvalError, scoreCaptions, type CaptionToScore } from "@sightline/evals";
import { describe, expect, it } from "vitest";

interface FakeCaption {
  readonly image_id: number;
  readonly caption: string;
  readonly references: readonly string[];
}

const read = (name: string): unknown => JSON.parse(readFileSync(new URL(`data/${name}`, import.meta.url), "utf8"));
const fakeCaptions = (read("fakecap1000.json") as FakeCaption[]).map(({ image_id: imageId, caption: candidate, references }): CaptionToScore => ({ imageId, candidate, references }));
const expected = read("fakecap1000.expected.json") as { readonly bleu: readonly number[]; readonly rouge_l: number; readonly cider: number };

describe("scoreCaptions on a thousand COCO images", () => {
  const scores = scoreCaptions(fakeCaptions);

  it("gives the published BLEU, ROUGE-L and CIDEr within 1e-9", () => {
    expected.bleu.forEach((value, n) => expect(Math.abs((scores.bleu[n] as number) - value)).toBeLessThan(1e-9));
    expect(Math.abs(scores.rougeL - expected.rouge_l)).toBeLessThan(1e-9);
    expect(Math.abs(scores.cider - expected.cider)).toBeLessThan(1e-9);
  });

  it("gives each image scores whose means are the whole's", () => {
    expect(scores.perImage.map(({ imageId }) => imageId)).toEqual(fakeCaptions.map(({ imageId }) => imageId));
    const mean = (of: (score: (typeof scores.perImage)[number]) => number): number => scores.perImage.reduce((sum, score) => sum + of(score), 0) / scores.perImage.length;
    expect(mean(({ cider }) => cider)).toBeCloseTo(expected.cider, 9);
    expect(mean(({ rougeL }) => rougeL)).toBeCloseTo(expected.rouge_l, 9);
  });

  it("does not depend on the order of images", () => {
    const reversed = scoreCaptions(fakeCaptions.toReversed());
    expect(reversed.cider).toBeCloseTo(scores.cider, 12);
    expect(reversed.bleu[3]).toBeCloseTo(scores.bleu[3], 12);
  });

  it("gives a subset the CIDEr that it has in the whole with the whole's document frequencies", () => {
    const fifty = fakeCaptions.slice(0, 50);
    const fixed = scoreCaptions(fifty, { documentFrequency: documentFrequency(fakeCaptions.map(({ references }) => references)) });
    fixed.perImage.forEach(({ cider }, i) => expect(cider).toBeCloseTo(scores.perImage[i]?.cider as number, 9));
    expect(Math.abs(scoreCaptions(fifty).cider - fixed.cider)).toBeGreaterThan(0.01);
  });
});

describe("scoreCaptions on small cases", () => {
  it("computes BLEU by hand: 3 of 4 words, 2 of 3 pairs, brevity exp(1 - 5/4)", () => {
    const { bleu } = scoreCaptions([{ imageId: 1, candidate: "a dog runs there", references: ["a dog runs very fast"] }]);
    expect(bleu[0]).toBeCloseTo((3 / 4) * Math.exp(1 - 5 / 4), 6);
    expect(bleu[1]).toBeCloseTo(Math.sqrt((3 / 4) * (2 / 3)) * Math.exp(1 - 5 / 4), 6);
    expect(bleu[3]).toBeLessThan(1e-3);
  });

  it("takes the shorter of two equally close reference lengths", () => {
    const { bleu } = scoreCaptions([{ imageId: 1, candidate: "a b c d", references: ["a b c d e", "a b c"] }]);
    expect(bleu[0]).toBeCloseTo(1, 6);
  });

  it("computes ROUGE-L by hand, precision and recall each from its best reference", () => {
    // "a red bus" is common to both: 3 of 4 words, 3 of 6 and 3 of 3 words of the references.
    const { rougeL } = scoreCaptions([{ imageId: 1, candidate: "a red bus drives", references: ["a red bus waits right there", "a red bus"] }]);
    expect(rougeL).toBeCloseTo(((1 + 1.44) * 0.75 * 1) / (1 + 1.44 * 0.75), 12);
  });

  it("computes CIDEr-D by hand for two images without a word in common", () => {
    const { cider, perImage } = scoreCaptions([
      { imageId: 1, candidate: "one two three four", references: ["one two three four"] },
      { imageId: 2, candidate: "something else entirely different", references: ["five six seven eight"] },
    ]);
    expect(perImage[0]?.cider).toBeCloseTo(10, 12);
    expect(perImage[1]?.cider).toBe(0);
    expect(cider).toBeCloseTo(5, 12);
  });

  it("lowers CIDEr-D by the difference in bigrams", () => {
    const { perImage } = scoreCaptions([
      { imageId: 1, candidate: "one two", references: ["one two three"] },
      { imageId: 2, candidate: "x", references: ["y"] },
    ]);
    const penalty = Math.exp(-1 / 72);
    // All weights are ln 2: unigrams 2 / (√2 √3), bigrams 1 / (1 √2).
    expect(perImage[0]?.cider).toBeCloseTo(((2 / Math.sqrt(6) + 1 / Math.sqrt(2)) / 4) * penalty * 10, 12);
  });

  it("gives 0 CIDEr for a single image, whose n-grams are in every image", () => {
    expect(scoreCaptions([{ imageId: 1, candidate: "a dog", references: ["a dog"] }]).cider).toBe(0);
  });

  it("scores an empty candidate as 0 and keeps it in the means", () => {
    const { perImage, rougeL } = scoreCaptions([
      { imageId: 1, candidate: "", references: ["a dog"] },
      { imageId: 2, candidate: "a cat", references: ["a cat"] },
    ]);
    expect(perImage[0]).toMatchObject({ rougeL: 0, cider: 0 });
    expect(perImage[0]?.bleu[0]).toBeLessThan(1e-9);
    expect(rougeL).toBeCloseTo(0.5, 12);
  });

  it("scores a missing candidate as an empty one", () => {
    const [missing, empty] = [{}, { candidate: "" }].map((said) =>
      scoreCaptions([
        { imageId: 1, ...said, references: ["a dog"] },
        { imageId: 2, candidate: "a cat", references: ["a cat"] },
      ]),
    );
    expect(missing).toEqual(empty);
  });

  it("splits at a no-break space in BLEU and not in ROUGE-L", () => {
    // The tokenizer keeps "2 1/2" as one token with a no-break space in it.
    const { bleu, rougeL } = scoreCaptions([{ imageId: 1, candidate: "2 1/2 dogs", references: ["2 dogs"] }]);
    expect(bleu[0]).toBeCloseTo(2 / 3, 6);
    expect(rougeL).toBeCloseTo(0.5, 12);
  });

  it("refuses an image that comes twice, also as number and text", () => {
    const twice = [7, "7"].map((imageId) => ({ imageId, candidate: "a", references: ["a"] }));
    expect(() => scoreCaptions(twice)).toThrow(expect.objectContaining({ code: "duplicate-image", message: expect.stringContaining('"7"') }));
  });

  it("refuses no images, and an image without references", () => {
    expect(() => scoreCaptions([])).toThrow(EvalError);
    expect(() => scoreCaptions([{ imageId: 3, candidate: "a", references: [] }])).toThrow(/image 3/);
  });
});
