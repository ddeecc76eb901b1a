import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { heatPixels } from "../page/src/vision/heat-pixels";
import { addLabels } from "../page/src/vision/label-list";
import { percent } from "../page/src/vision/percent";

describe("the heat over a picture", () => {
  it("is strongest where the greatest value lies and clear where the least does", () => {
    const values = Array.from({ length: 12 }, () => 0);
    values[6] = 1;
    const pixels = heatPixels({ rows: 3, columns: 4, values }, 40, 30);
    const alphas = Array.from({ length: 1200 }, (_, pixel) => pixels[pixel * 4 + 3] as number);
    const strongest = alphas.indexOf(Math.max(...alphas));
    // Patch 6 is the third of the second row: its middle is at 25 of 40 across and 15 of 30 down.
    expect(Math.abs((strongest % 40) - 25)).toBeLessThanOrEqual(1);
    expect(Math.abs(Math.floor(strongest / 40) - 15)).toBeLessThanOrEqual(1);
    expect(alphas[0]).toBe(0);
  });

  it("of equal values is nowhere", () => {
    expect(heatPixels({ rows: 2, columns: 2, values: [0.3, 0.3, 0.3, 0.3] }, 8, 8).every((value) => value === 0)).toBe(true);
  });

  it("does not depend on the unit of the values", () => {
    const grid = fc.array(fc.double({ min: -1, max: 1, noNaN: true }), { minLength: 6, maxLength: 6 });
    fc.assert(
      fc.property(grid, (values) => {
        fc.pre(Math.max(...values) - Math.min(...values) > 1e-3);
        const [one, other] = [values, values.map((value) => 5 * value + 3)].map((scaled) => heatPixels({ rows: 2, columns: 3, values: scaled }, 12, 8));
        one?.forEach((value, at) => expect(Math.abs(value - (other?.[at] ?? 0))).toBeLessThanOrEqual(1));
      }),
      { numRuns: 20 },
    );
  });
});

describe("labels as they are typed", () => {
  it("are parted by commas and lines, tidied, each once", () => {
    expect(addLabels(["cat"], " dog,Cat, red  bus\nDOG,, ")).toEqual(["dog", "red bus", "cat"]);
  });

  it("are 64 at most, each of 100 characters at most", () => {
    const many = addLabels([], Array.from({ length: 80 }, (_, i) => `label ${i}`).join(","));
    expect(many).toHaveLength(64);
    expect(addLabels([], "x".repeat(200))[0]).toHaveLength(100);
  });
});

describe("a probability", () => {
  it.each([
    [0, "under 0.1%"],
    [0.0421, "4.2%"],
    [0.934, "93%"],
    [0.9985, "99.8%"],
    [1, "over 99.9%"],
  ])("of %d reads %s", (probability, text) => {
    expect(percent(probability)).toBe(text);
  });
});
