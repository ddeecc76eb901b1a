import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { linearAxis, logAxis } from "../../src/plots/axis.js";

const texts = ({ ticks }: ReturnType<typeof linearAxis>): string[] => ticks.map(({ text }) => text);

describe("linearAxis", () => {
  it.each([
    [[0, 1], ["0", "0.2", "0.4", "0.6", "0.8", "1"]],
    [[-9.7, 2.2], ["−10", "−7.5", "−5", "−2.5", "0", "2.5"]],
    [[3, 48_000], ["0", "10,000", "20,000", "30,000", "40,000", "50,000"]],
    [[0.31, 0.36], ["0.31", "0.32", "0.33", "0.34", "0.35", "0.36"]],
  ])("has round ticks around %j", (values, expected) => {
    expect(texts(linearAxis(values))).toEqual(expected);
  });

  it("counts unwieldy numbers in a power of ten", () => {
    const axis = linearAxis([0, 9.3e-6]);
    expect([axis.unit, texts(axis)]).toEqual(["10⁻⁵", ["0", "0.2", "0.4", "0.6", "0.8", "1"]]);
  });

  it("shows shares as percentages", () => {
    expect(texts(linearAxis([0.12, 0.55], { include: [0], percent: true }))).toEqual(["0%", "20%", "40%", "60%"]);
  });

  it("has whole numbers only where asked", () => {
    expect(texts(linearAxis([3], { include: [0], tight: true, whole: true }))).toEqual(["0", "1", "2", "3"]);
    expect(texts(linearAxis([10], { include: [0], tight: true, whole: true }))).toEqual(["0", "2", "4", "6", "8", "10"]);
  });

  it("makes room around one value, and around none", () => {
    expect(linearAxis([7]).place(7)).toBeCloseTo(0.5, 1);
    expect(new Set(texts(linearAxis([1e9, 1e9 + 1e-6]))).size).toBeGreaterThan(2);
    expect(texts(linearAxis([]))).toEqual(["0", "0.2", "0.4", "0.6", "0.8", "1"]);
    expect(texts(linearAxis([Number.NaN, Number.POSITIVE_INFINITY]))).toEqual(["0", "0.2", "0.4", "0.6", "0.8", "1"]);
  });

  it("holds all values and few ticks, whatever they are", () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: -1e9, max: 1e9, noNaN: true }), { minLength: 1, maxLength: 20 }), (values) => {
        const axis = linearAxis(values);
        for (const value of values) {
          expect(axis.place(value)).toBeGreaterThanOrEqual(-1e-9);
          expect(axis.place(value)).toBeLessThanOrEqual(1 + 1e-9);
        }
        expect(axis.ticks.length).toBeGreaterThanOrEqual(2);
        expect(axis.ticks.length).toBeLessThanOrEqual(8);
      }),
    );
  });
});

describe("logAxis", () => {
  it("has powers of ten where it spans many, and more where it spans few", () => {
    expect(texts(logAxis([0.5, 20_000]))).toEqual(["1", "10", "100", "1000", "10,000"]);
    expect(texts(logAxis([0.08, 4]))).toEqual(["0.1", "0.3", "1", "3"]);
    expect(texts(logAxis([1, 6]))).toEqual(["1", "1.5", "2", "3", "4", "5"]);
  });

  it("has the ticks that are asked for, at equal steps for equal factors", () => {
    const axis = logAxis([16, 64, 256], [16, 64, 256]);
    expect(texts(axis)).toEqual(["16", "64", "256"]);
    expect(axis.place(64)).toBeCloseTo(0.5, 9);
    expect(axis.place(16)).toBeGreaterThan(0);
  });
});
