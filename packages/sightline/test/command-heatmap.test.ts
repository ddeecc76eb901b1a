import { rm } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { golden, run, temporaryFolder } from "./command.js";

const scene = fileURLToPath(new URL("../../../examples/scene.png", import.meta.url));

let folder: string;
beforeAll(async () => {
  folder = await temporaryFolder();
});
afterAll(() => rm(folder, { recursive: true }));

describe("sightline heatmap", () => {
  it("draws the heat over the picture, and prints the scores as JSON", async () => {
    const out = path.join(folder, "heat.png");
    const { code, stdout, stderr } = await run(["heatmap", scene, "a hamburger", "--out", out, "--json"]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const result = JSON.parse(stdout) as { scores: number[]; range: [number, number] };
    expect(result).toMatchObject({ image: scene, text: "a hamburger", out, score: "cosine", grid: { rows: 8, columns: 8 } });
    expect(result.scores).toHaveLength(64);
    expect([Math.min(...result.scores), Math.max(...result.scores)]).toEqual(result.range);
    const { data, info } = await sharp(out).raw().toBuffer({ resolveWithObject: true });
    expect(info).toMatchObject({ width: 384, height: 384, channels: 3 });
    // The hamburger's middle is light, the picture's upper left corner dark.
    const brightness = (x: number, y: number): number => [0, 1, 2].reduce((sum, c) => sum + (data[(y * 384 + x) * 3 + c] as number), 0);
    expect(brightness(200, 300)).toBeGreaterThan(brightness(20, 20) + 200);
  });

  it("prints a line for people, and shrinks on request", async () => {
    const out = path.join(folder, "small.png");
    const { code, stdout } = await run(["heatmap", scene, "a hamburger", "--out", out, "--max-side", "100", "--score", "probability"]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/small\.png: a hamburger: probability from 0\.\d+ to [01]\.\d+ over 8 x 8 patches\n$/);
    expect(await sharp(out).metadata()).toMatchObject({ width: 100, height: 100, format: "png" });
  });

  it("fails in one line for an image that is not there", async () => {
    const { code, stdout, stderr } = await run(["heatmap", path.join(folder, "nowhere.png"), "a cat", "--out", path.join(folder, "none.png")]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toMatch(/^sightline: [^\n]*nowhere\.png[^\n]*\n$/);
  });

  it.each([
    [["heatmap", scene, "a cat"]],
    [["heatmap", scene, "--out", "a.png"]],
    [["heatmap", scene, " ", "--out", "a.png"]],
    [["heatmap", scene, "a cat", "--out", "a.jpg"]],
    [["heatmap", golden("photo.jpg"), "a cat", "--out", "a.png", "--score", "logit"]],
    [["heatmap", golden("photo.jpg"), "a cat", "--out", "a.png", "--opacity", "2"]],
  ])("leaves with 2: %j", async (args) => {
    const { code, stdout, stderr } = await run(args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).not.toMatch(/\n\s+at /);
  });
});
