import { existsSync } from "node:fs";
import {
  anls,
  calibration,
  chosenLetter,
  embeddingScores,
  meteorNoParaphrase,
  meteorOfJar,
  mmeScores,
  multipleChoice,
  normalizeVqaAnswer,
  popeScores,
  relaxedAccuracy,
  vqaAccuracy,
} from "@sightline/evals";
import { describe, expect, it } from "vitest";

describe("VQA accuracy", () => {
  it.each([
    ["The Two dogs.", "2 dogs"],
    ["isnt", "isn't"],
    ["wouldnt've", "wouldn't've"],
    ["a man, and a dog", "man and dog"],
    ["black/white", "black white"],
    ["1,000", "1000"],
    ["3.5", "3.5"],
    ["none", "0"],
    ["Yes!", "yes"],
    ["t-shirt", "t shirt"],
  ])("writes %j as %j", (answer, normal) => {
    expect(normalizeVqaAnswer(answer)).toBe(normal);
  });

  it("leaves each answer out in turn: 3 of 10 the same give 0.9, 4 give 1, 1 gives 0.3", () => {
    const answers = (same: number): string[] => Array.from({ length: 10 }, (_, i) => (i < same ? "cat" : "dog"));
    expect(vqaAccuracy("cat", answers(3))).toBeCloseTo((3 * (2 / 3) + 7 * 1) / 10, 12);
    expect(vqaAccuracy("Cat.", answers(4))).toBe(1);
    expect(vqaAccuracy("cat", answers(1))).toBeCloseTo((0 + 9 / 3) / 10, 12);
    expect(vqaAccuracy("bird", answers(5))).toBe(0);
  });
});

describe("ANLS", () => {
  it("is 1 less the edits over the longer text, and 0 under a half", () => {
    expect(anls("hello", ["helo"])).toBeCloseTo(0.8, 12);
    expect(anls("Hello  World", ["hello world"])).toBe(1);
    expect(anls("abcd", ["abxy"])).toBe(0.5);
    expect(anls("abcd", ["axyz"])).toBe(0);
    expect(anls("x", ["no", "x"])).toBe(1);
    expect(anls("", [""])).toBe(1);
  });
});

describe("relaxed accuracy", () => {
  it.each([
    ["10.5", "10", 1],
    ["10.51", "10", 0],
    ["5%", "0.05", 1],
    ["-9.5", "-10", 1],
    ["Red", "red", 1],
    ["0", "0", 1],
    ["0.01", "0", 0],
    ["1,000", "1000", 0],
  ])("of %j for %j is %d", (prediction, answer, score) => {
    expect(relaxedAccuracy(prediction, answer)).toBe(score);
  });
});

describe("POPE and MME", () => {
  it("computes POPE by hand", () => {
    const answers = [
      { prediction: "Yes", answer: "yes" },
      { prediction: "yes, there is a dog.", answer: "no" },
      { prediction: "No.", answer: "no" },
      { prediction: "no", answer: "yes" },
      { prediction: "perhaps", answer: "yes" },
    ] as const;
    const scores = popeScores(answers);
    expect(scores).toEqual({ accuracy: 0.4, precision: 0.5, recall: 1 / 3, f1: expect.closeTo(0.4, 12) as number, yesShare: 0.4 });
  });

  it("gives MME 100 x (acc + acc+) a category", () => {
    const ask = (imageId: string, prediction: string, answer: "yes" | "no"): Parameters<typeof mmeScores>[0][number] => ({ category: "count", imageId, prediction, answer });
    const scores = mmeScores([ask("a", "Yes", "yes"), ask("a", "No", "no"), ask("b", "Yes", "yes"), ask("b", "Yes", "no")]);
    expect(scores.categories).toEqual({ count: { accuracy: 0.75, accuracyPlus: 0.5, score: 125 } });
    expect(scores).toMatchObject({ perception: 125, cognition: 0 });
  });
});

describe("multiple choice", () => {
  it.each([
    ["B", "B"],
    ["(b)", "B"],
    ["B. a red bus", "B"],
    ["The answer is C", "C"],
    ["a red bus", "B"],
    ["It shows a red bus", "B"],
    ["A red bus.", "B"],
    ["D", undefined],
    ["neither", undefined],
  ])("reads %j as %s", (answer, letter) => {
    expect(chosenLetter(answer, ["a cat", "a red bus", "nothing"])).toBe(letter);
  });

  it("scores the letter", () => {
    expect(multipleChoice("b", ["x", "y"], "B")).toBe(1);
    expect(multipleChoice("x", ["x", "y"], "B")).toBe(0);
  });
});

describe("calibration", () => {
  it("gives the curve and the gap by hand", () => {
    const { bins, ece } = calibration([0.1, 0.1, 0.9, 0.9], [false, true, true, true], 2);
    expect(bins.map(({ count, shareTrue }) => [count, shareTrue])).toEqual([
      [2, 0.5],
      [2, 1],
    ]);
    expect(ece).toBeCloseTo(0.5 * 0.4 + 0.5 * 0.1, 12);
    expect(() => calibration([1.5], [true])).toThrow(/1.5 at 0/);
  });
});

describe("METEOR without paraphrases", () => {
  const of = (candidate: string, ...references: string[]): number => meteorNoParaphrase([{ imageId: 1, candidate, references }]).meteorNoParaphrase;

  it("is 1 for the same words in the same order, 0 for none", () => {
    expect(of("red bus drives", "red bus drives")).toBe(1);
    expect(of("red bus", "green tree")).toBe(0);
    expect(of("", "green tree")).toBe(0);
  });

  it("computes order, stems and synonyms by hand", () => {
    // Two matches in two chunks: 1 - 0.6 (2 / 2)^0.2.
    expect(of("bus red", "red bus")).toBeCloseTo(1 - 0.6, 12);
    // "walks" and "walking" share a set of synonyms by their base; "skilful" and "skilfulness" only the stem.
    expect(of("automobile", "car")).toBeCloseTo(0.8, 12);
    // Content words weigh 0.75, function words 0.25: P = 0.75 / 1 of both, in one chunk of one match that is not all.
    expect(of("a bus", "the bus")).toBeCloseTo(0.75 * (1 - 0.6), 12);
  });

  it("takes the best reference", () => {
    expect(of("red bus", "green tree", "red bus")).toBe(1);
  });
});

describe("figures of embeddings", () => {
  /** A tower whose embeddings are given, not computed. */
  const tower = {
    encodeImages: () => Promise.resolve({ pooled: new Float32Array([1, 0]), pooledWidth: 2 }),
    encodeTexts: (texts: readonly string[]) => Promise.resolve(new Float32Array(texts.flatMap((text) => (text === "A photo depicts right" ? [0.8, 0.6] : text === "A photo depicts other" ? [0, 1] : [-1, 0])))),
  } as unknown as Parameters<typeof embeddingScores>[0];
  const image = new Uint8Array();

  it("computes CLIPScore and RefCLIPScore by hand, with a made-up tower, and names them after it", async () => {
    const scores = await embeddingScores(tower, "siglip", [{ imageId: 1, image, candidate: "right", references: ["other"] }]);
    expect(scores.score).toBeCloseTo(2.5 * 0.8, 6);
    expect(scores.refScore).toBeCloseTo((2 * 2 * 0.6) / 2.6, 6);
    expect(scores.names).toEqual(["siglipScore", "refSiglipScore"]);
    expect((await embeddingScores(tower, "clip", [{ imageId: 1, image, candidate: "wrong", references: ["other"] }])).score).toBe(0);
  });
});

describe("metrics of other people's jars", () => {
  it("says what is missing when the jar is not there", async () => {
    expect(existsSync("no/meteor-1.5.jar")).toBe(false);
    await expect(meteorOfJar([{ imageId: 1, candidate: "a", references: ["a"] }], "no/meteor-1.5.jar")).rejects.toThrow(/no\/meteor-1.5.jar is not there/);
  });
});
