import { describe, expect, it } from "vitest";
import fc from "fast-check";

import { interpolatePositions, type PositionInterpolation } from "../../src/models/interpolate-positions.js";
import { goldenJson } from "../goldens.js";

type Pair = [rows: number, columns: number];

// Reference: torch's F.interpolate, by tools/reference/siglip/positions.py.
const golden = goldenJson<{
  width: number;
  tables: Record<string, number[]>;
  cases: { method: PositionInterpolation; from: Pair; to: Pair; scale: Pair | null; values: number[] }[];
}>("positions.json");
// Places of the last method are worked out as transformers' Qwen3-VL does it, which divides once more than torch.
const tolerance = (method: PositionInterpolation): number => (method === "bilinear-align-corners" ? 4e-6 : 2e-6);

const grid = ([rows, columns]: Pair): { rows: number; columns: number } => ({ rows, columns });

describe("interpolatePositions", () => {
  it.each(golden.cases)("agrees with torch: $method, $from to $to, scale $scale", ({ method, from, to, scale, values }) => {
    const table = Float32Array.from(golden.tables[from.join("x")] as number[]);
    const got = interpolatePositions(table, grid(from), grid(to), golden.width, method, scale ? grid(scale) : undefined);
    expect(got).toHaveLength(values.length);
    const furthest = got.reduce((most, value, i) => Math.max(most, Math.abs(value - (values[i] as number))), 0);
    expect(furthest).toBeLessThan(tolerance(method));
  });

  it("keeps a table whose positions are all the same, at any size", () => {
    const side = fc.integer({ min: 1, max: 12 });
    const method = fc.constantFrom<PositionInterpolation>("bicubic", "bilinear-antialias", "bicubic-antialias", "bilinear-align-corners");
    fc.assert(
      fc.property(side, side, side, side, method, (a, b, c, d, how) => {
        const table = Float32Array.from({ length: a * b * 3 }, (_, i) => [1, -2, 0.25][i % 3] as number);
        const got = interpolatePositions(table, { rows: a, columns: b }, { rows: c, columns: d }, 3, how);
        expect(got).toHaveLength(c * d * 3);
        got.forEach((value, i) => expect(value).toBeCloseTo([1, -2, 0.25][i % 3] as number, 5));
      }),
    );
  });

  it("gives the table itself when its grid is the one asked for", () => {
    const table = Float32Array.of(1, 2, 3, 4);
    expect(interpolatePositions(table, { rows: 2, columns: 1 }, { rows: 2, columns: 1 }, 2, "bicubic")).toBe(table);
  });

  it("refuses a table that does not fit, and a side that is none", () => {
    const table = new Float32Array(8);
    expect(() => interpolatePositions(table, { rows: 2, columns: 2 }, { rows: 3, columns: 3 }, 3, "bicubic")).toThrow("interpolatePositions: expected 2x2 positions of 3 values, got 8 values");
    expect(() => interpolatePositions(table, { rows: 2, columns: 2 }, { rows: 0, columns: 3 }, 2, "bicubic")).toThrow("expected sides of at least 1, got 2x2 to 0x3");
  });
});
