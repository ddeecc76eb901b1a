import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { smoothed, thinned } from "../../src/plots/curve-points.js";
import type { Point } from "../../src/plots/panel.js";

describe("smoothed", () => {
  it("weighs both neighbours alike", () => {
    // Half-life 1: weights 1/4, 1/2, 1, 1/2, 1/4 of a spike, over the weights within reach.
    const spike: Point[] = [0, 0, 12, 0, 0].map((y, x) => [x, y]);
    const expected = [3 / 1.9375, 6 / 2.375, 12 / 2.5, 6 / 2.375, 3 / 1.9375];
    smoothed(spike, 1).forEach(([x, y], i) => expect([x, y]).toEqual([i, expect.closeTo(expected[i] as number, 9)]));
  });

  it("leaves a constant as it is", () => {
    for (const [, y] of smoothed([[1, 5], [2, 5], [3, 5]], 10)) expect(y).toBeCloseTo(5, 12);
  });
});

describe("thinned", () => {
  it("keeps ends and extremes in their order, and no more than asked for", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -1000, max: 1000 }), { minLength: 1, maxLength: 2000 }), (values) => {
        const points = values.map((y, x): Point => [x, y]);
        const kept = thinned(points, 100);
        expect(kept.length).toBeLessThanOrEqual(102);
        expect([kept[0], kept.at(-1)]).toEqual([points[0], points.at(-1)]);
        expect([Math.min(...kept.map(([, y]) => y)), Math.max(...kept.map(([, y]) => y))]).toEqual([Math.min(...values), Math.max(...values)]);
        expect(kept.map(([x]) => x)).toEqual([...new Set(kept.map(([x]) => x))].sort((a, b) => a - b));
      }),
    );
  });
});
