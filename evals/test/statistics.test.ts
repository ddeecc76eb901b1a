import { mkdtemp, mkdir, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { compareRuns } from "@sightline/evals";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

let folder: string;
beforeAll(async () => (folder = await mkdtemp(path.join(os.tmpdir(), "sightline-compare-"))));
afterAll(() => rm(folder, { recursive: true, force: true }));

/** A run's files with these scores. */
async function runOf(name: string, scores: readonly number[], prompt = "What?"): Promise<string> {
  const run = path.join(folder, name);
  await mkdir(run, { recursive: true });
  await writeFile(path.join(run, "results.json"), JSON.stringify({ results: { pope: { accuracy: 0 } }, configs: { pope: { prompt } } }));
  await writeFile(path.join(run, "scores_pope.jsonl"), scores.map((score, i) => `${JSON.stringify({ id: String(i), score })}\n`).join(""));
  return run;
}

describe("compareRuns", () => {
  it("gives means, and intervals that a normal approximation gives too", async () => {
    const half = Array.from({ length: 400 }, (_, i) => i % 2);
    const more = half.map((score, i) => (i % 8 === 0 ? 1 : score));
    const [comparison] = await compareRuns(await runOf("half", half), await runOf("more", more));
    expect(comparison?.a.mean).toBe(0.5);
    expect(comparison?.b.mean).toBeCloseTo(0.625, 12);
    // 1.96 sqrt(p (1 - p) / n)
    expect((comparison?.a.high as number) - 0.5).toBeCloseTo(1.96 * Math.sqrt(0.25 / 400), 2);
    expect((comparison?.difference.high as number) - 0.125).toBeCloseTo(1.96 * Math.sqrt((0.125 * 0.875) / 400), 2);
    expect(comparison?.p).toBeLessThan(0.001);
  });

  it("finds nothing between runs that are equal, or differ evenly in both directions", async () => {
    const a = await runOf("a", [1, 0, 1, 0, 1, 0]);
    expect((await compareRuns(a, a))[0]).toMatchObject({ p: 1, difference: { mean: 0, low: 0, high: 0 }, differs: [] });
    const [comparison] = await compareRuns(a, await runOf("turned", [0, 1, 0, 1, 0, 1], "What then?"));
    expect(comparison?.p).toBe(1);
    expect(comparison?.differs).toEqual(["prompt"]);
  });

  it("counts the two ways of one difference: three samples better give p of about 1 in 4", async () => {
    const [comparison] = await compareRuns(await runOf("none", [0, 0, 0, 1]), await runOf("three", [1, 1, 1, 1]));
    expect(comparison?.p).toBeCloseTo(0.25, 1);
  });

  it("looks at shared samples only, repeats itself, and says when there is no run", async () => {
    const [a, b] = [await runOf("long", [1, 0, 1, 1]), await runOf("short", [1, 1])];
    const first = await compareRuns(a, b, 7);
    expect(first[0]?.samples).toBe(2);
    expect(await compareRuns(a, b, 7)).toEqual(first);
    await expect(compareRuns(a, path.join(folder, "nothing"))).rejects.toMatchObject({ code: "data-missing" });
  });
});
