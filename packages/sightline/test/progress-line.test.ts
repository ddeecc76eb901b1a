import { describe, expect, it, vi } from "vitest";

import { duration, progressLine } from "../src/cli/progress-line.js";
import { capturedStderr } from "./captured-stderr.js";

describe("duration", () => {
  it.each([[0, "0s"], [42.4, "42s"], [185, "3m 05s"], [7800, "2h 10m"], [360_000, "100h 00m"]])("of %d seconds is %s", (seconds, text) => {
    expect(duration(seconds)).toBe(text);
  });
});

describe("progressLine", () => {
  const written = capturedStderr();

  const state = { share: 0.25, done: 99, skipped: 1, perSecond: 10 };

  it("prints a line every ten seconds where there is no terminal", () => {
    process.stderr.isTTY = false;
    const progress = progressLine("images");
    for (let second = 0; second < 25; second++) {
      vi.advanceTimersByTime(1000);
      progress.update(state);
    }
    progress.stop();
    // 300 images are left, at 10 a second.
    expect(written()).toEqual(Array.from({ length: 2 }, () => "25 %: 99 images (1 skipped), 10/s, 30s left\n"));
  });

  it("draws a bar with rate and time left on a terminal", () => {
    process.stderr.isTTY = true;
    const progress = progressLine("images");
    vi.advanceTimersByTime(1000);
    progress.update(state);
    vi.advanceTimersByTime(1000);
    progress.stop();
    expect(written().join("")).toMatch(/25% \| 99 images \(1 skipped\) \| 10\/s \| 30s left/);
  });
});
