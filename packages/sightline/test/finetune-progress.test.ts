import { describe, expect, it, vi } from "vitest";
import { FinetuneProgress } from "../src/cli/finetune-progress.js";
import type { FinetuneEvent } from "../src/finetune/finetune-event.js";
import { capturedStderr } from "./captured-stderr.js";

const step = (at: number): FinetuneEvent => ({ type: "step-end", step: at, totalSteps: 100, epoch: 0, loss: 0.5, learningRate: 1e-4, gradientNorm: 1, samples: 16, stepMs: 1000, figures: {} });
const evaluated: FinetuneEvent = { type: "eval-end", step: 20, metrics: { "imageToText.r1": 0.4567, "imageToText.r5": 0.9, "textToImage.r1": 0.25, "zeroShot.top1": 0.5 } };

describe("FinetuneProgress", () => {
  const written = capturedStderr();

  it("prints a line every ten seconds where there is no terminal: loss, pairs a second, time left", () => {
    process.stderr.isTTY = false;
    const progress = new FinetuneProgress();
    for (let at = 1; at <= 20; at++) {
      vi.advanceTimersByTime(1000);
      progress.take(step(at));
    }
    progress.stop();
    expect(written()).toEqual(["step 1 of 100: loss 0.5000, 16 pairs/s, 1m 39s left\n", "step 11 of 100: loss 0.5000, 16 pairs/s, 1m 29s left\n"]);
  });

  it("draws a bar on a terminal, and goes on with it after a line of its own", () => {
    process.stderr.isTTY = true;
    const progress = new FinetuneProgress();
    progress.take(step(19));
    vi.advanceTimersByTime(1000);
    progress.take(evaluated);
    progress.take(step(20));
    vi.advanceTimersByTime(1000);
    progress.stop();
    const text = written().join("");
    expect(text).toMatch(/19\/100 \| loss 0\.5000 \| 16 pairs\/s \| 1m 21s left/);
    expect(text).toContain("step 20: imageToText.r1 45.7 %, textToImage.r1 25.0 %, zeroShot.top1 50.0 %\n");
    expect(text).toMatch(/20\/100 \| loss 0\.5000 \| 16 pairs\/s \| 1m 20s left/);
  });

  it("tells of the data and of every pair that is left out", () => {
    process.stderr.isTTY = false;
    const progress = new FinetuneProgress();
    progress.take({ type: "data-read", unit: "pairs", trainPairs: 900, validationPairs: 100, leftOut: ["3 x no caption: a.jpg, b.jpg, …"], cutCaptions: 2, totalSteps: 100, trainedParameters: 73_728, parameters: 203_000_000 });
    progress.take({ type: "pairs-left-out", step: 7, bad: [{ id: "c.jpg", reason: "not an image" }] });
    expect(written()).toEqual([
      "900 pairs, 100 held out; 73728 of 203 M parameters trained\n",
      "left out: 3 x no caption: a.jpg, b.jpg, …\n",
      "2 captions are longer than the text tower reads, and are cut\n",
      "step 7: left out c.jpg: not an image\n",
    ]);
  });

  it("smooths the loss, so that one step does not hide the trend", () => {
    process.stderr.isTTY = false;
    const progress = new FinetuneProgress();
    progress.take(step(1));
    vi.advanceTimersByTime(10_000);
    progress.take({ ...step(2), loss: 1.5 } as FinetuneEvent);
    expect(written()[1]).toContain("loss 0.6000");
  });
});
