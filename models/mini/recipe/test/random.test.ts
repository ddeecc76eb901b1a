import { describe, expect, it } from "vitest";
import { Random } from "../src/scenes/random.js";

const draws = (random: Random, count: number): number[] => Array.from({ length: count }, () => random.uint32());

describe("Random", () => {
  it("gives the same sequence for the same seeds and another for others", () => {
    expect(draws(Random.fromSeed(7, "a"), 8)).toEqual(draws(Random.fromSeed(7, "a"), 8));
    for (const other of [Random.fromSeed(8, "a"), Random.fromSeed(7, "b"), Random.fromSeed(7), Random.fromSeed(7 + 2 ** 32, "a")]) {
      expect(draws(other, 8)).not.toEqual(draws(Random.fromSeed(7, "a"), 8));
    }
  });

  it("goes on from a saved state as if it had never stopped", () => {
    const random = Random.fromSeed(1);
    draws(random, 100);
    const state = random.save();
    const expected = draws(random, 50);
    expect(draws(Random.restore(JSON.parse(JSON.stringify(state)) as typeof state), 50)).toEqual(expected);
  });

  it("spreads evenly: the mean and variance of a uniform, of a normal, and the counts of a choice", () => {
    const random = Random.fromSeed(2);
    const uniforms = Array.from({ length: 20_000 }, () => random.uniform());
    const normals = Array.from({ length: 20_000 }, () => random.normal(3, 2));
    const mean = (values: number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
    const deviation = (values: number[]): number => {
      const centre = mean(values);
      return Math.sqrt(mean(values.map((value) => (value - centre) ** 2)));
    };
    expect(mean(uniforms)).toBeCloseTo(0.5, 1);
    expect(deviation(uniforms)).toBeCloseTo(Math.sqrt(1 / 12), 2);
    expect(Math.min(...uniforms)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...uniforms)).toBeLessThan(1);
    expect(mean(normals)).toBeCloseTo(3, 1);
    expect(deviation(normals)).toBeCloseTo(2, 1);
    const counts = new Map<string, number>();
    for (let i = 0; i < 9000; i++) {
      const drawn = random.choice(["a", "b", "c"]);
      counts.set(drawn, (counts.get(drawn) ?? 0) + 1);
    }
    for (const count of counts.values()) expect(Math.abs(count - 3000)).toBeLessThan(200);
  });

  it("draws by weight and shuffles without losing anything", () => {
    const random = Random.fromSeed(3);
    let second = 0;
    for (let i = 0; i < 4000; i++) second += random.weighted([1, 3]);
    expect(second / 4000).toBeCloseTo(0.75, 1);
    expect(random.shuffle([1, 2, 3, 4, 5]).toSorted()).toEqual([1, 2, 3, 4, 5]);
    expect(() => random.choice([])).toThrow(/empty list/);
  });
});
