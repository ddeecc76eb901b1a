import { describe, expect, it } from "vitest";
import { trainingPicture } from "../../src/logs/training-picture.js";
import { textsOf, xmlElements } from "../plots/xml-elements.js";
import { runEvents, stepEnd } from "./run-events.js";

describe("trainingPicture", () => {
  it("shows what a run came to", () => {
    const texts = textsOf(trainingPicture("mini, sigmoid & batch 64", runEvents()));
    expect(texts).toEqual(expect.arrayContaining(["mini, sigmoid & batch 64", "8 of 8 steps · 512 pairs · 128 pairs/s"]));
    expect(texts).toEqual(expect.arrayContaining(["Loss", "Held-out pairs", "Mean logits", "Temperature and bias", "Learning rate", "Norm of the gradients"]));
    expect(texts).toEqual(expect.arrayContaining(["image → text R@1  50%", "text → image R@1  25%", "t  11", "b  −6", "best"]));
  });

  it("draws each step and each evaluation where it lies", () => {
    const lines = xmlElements(trainingPicture("run", runEvents()))
      .filter(({ name }) => name === "polyline")
      .map(({ attributes }) => (attributes["points"] ?? "").split(" "));
    // Loss raw and smooth, two recalls, two logits raw and smooth, t, b, rate, norm raw and smooth.
    expect(lines.map((line) => line.length)).toEqual([8, 8, 2, 2, 8, 8, 8, 8, 8, 8, 8, 8, 8]);
  });

  it("has a logarithmic loss axis only where the loss fell tenfold", () => {
    const ticks = (losses: (step: number) => number): readonly string[] =>
      textsOf(trainingPicture("run", Array.from({ length: 200 }, (_, i) => stepEnd(i + 1, { loss: losses(i), figures: {} }))));
    expect(ticks((i) => 10 ** (-i / 50))).toEqual(expect.arrayContaining(["10⁻⁴", "0.001", "0.01", "0.1", "1"]));
    const linear = ticks((i) => 2 - i / 400);
    expect(linear).toEqual(expect.arrayContaining(["1.6", "1.8", "2"]));
    expect(linear).not.toContain("0.001");
  });

  it("draws other figures of an evaluation where there is no recall", () => {
    expect(textsOf(trainingPicture("run", [stepEnd(1), { type: "eval-end", step: 1, metrics: { perplexity: 12.5 } }]))).toContain("perplexity  12.5");
  });

  it("says so where a run has nothing to show", () => {
    const texts = textsOf(trainingPicture("run", []));
    expect(texts).toEqual(expect.arrayContaining(["no step was taken", "nothing yet", "nothing was evaluated", "this run has neither"]));
    expect(textsOf(trainingPicture("run", [stepEnd(1, { figures: {} })]))).toContain("this run has none");
  });

  it("leaves out figures that are no numbers, also those that a log has as null", () => {
    const broken = JSON.parse(JSON.stringify(stepEnd(3, { loss: Number.NaN, gradientNorm: Number.POSITIVE_INFINITY }))) as ReturnType<typeof stepEnd>;
    expect(trainingPicture("run", [stepEnd(1), stepEnd(2), broken])).not.toMatch(/NaN|Infinity|null/);
  });

  it("stays small, and keeps a spike, however long the run", () => {
    const events = Array.from({ length: 100_000 }, (_, i) => stepEnd(i + 1, { loss: i === 54_321 ? 9 : 1 + (i % 7) / 100, totalSteps: 100_000 }));
    const svg = trainingPicture("run", events);
    expect(svg.length).toBeLessThan(150_000);
    const raw = xmlElements(svg).find(({ name }) => name === "polyline")?.attributes["points"]?.split(" ") ?? [];
    const ys = raw.map((point) => Number(point.split(",")[1]));
    expect(ys.filter((y) => y < Math.max(...ys) - 100)).toHaveLength(1);
  });
});
