import { fileURLToPath } from "node:url";
import path from "node:path";
import { loadSiglip, type Heatmap, type Siglip } from "@sightline/vision-tower";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { miniFolder } from "./command.js";

const examples = new URL("../../../examples/", import.meta.url);
const side = 384;

type Box = readonly [left: number, top: number, right: number, bottom: number];

/** Boxes drawn by hand around the objects, in pixels of the pictures' 384. */
const places: readonly (readonly [file: string, object: string, box: Box])[] = [
  ["scene.png", "a hamburger", [148, 245, 252, 357]],
  ["scene.png", "an airplane", [55, 104, 148, 196]],
  ["scene.png", "a sailboat", [175, 76, 310, 235]],
  ["held-out-star-peach-taco.png", "a taco", [194, 165, 286, 258]],
  ["held-out-star-peach-taco.png", "a peach", [77, 14, 183, 128]],
  ["held-out-star-peach-taco.png", "a star", [9, 238, 139, 346]],
];

/** Scores of the patches whose middle lies in the box, and of the others. */
function split({ grid, scores }: Heatmap, [left, top, right, bottom]: Box): { readonly inside: number[]; readonly outside: number[] } {
  const inside: number[] = [];
  const outside: number[] = [];
  scores.forEach((score, i) => {
    const x = (((i % grid.columns) + 0.5) / grid.columns) * side;
    const y = ((Math.floor(i / grid.columns) + 0.5) / grid.rows) * side;
    (x >= left && x <= right && y >= top && y <= bottom ? inside : outside).push(score);
  });
  return { inside, outside };
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

describe("a heatmap by mini", () => {
  let siglip: Siglip;
  beforeAll(async () => {
    siglip = await loadSiglip(path.join(miniFolder, "siglip"));
  });
  afterAll(() => siglip[Symbol.asyncDispose]());

  it.each(places)("of %s is hottest where %s is", async (file, object, box) => {
    const heatmap = await siglip.heatmap(fileURLToPath(new URL(file, examples)), object);
    expect(heatmap.grid).toEqual({ rows: 8, columns: 8 });
    expect(heatmap.scores).toHaveLength(64);
    const { inside, outside } = split(heatmap, box);
    expect(mean(inside)).toBeGreaterThan(mean(outside) + 0.2);
    expect(Math.max(...inside)).toBe(heatmap.range[1]);
  });

  it("gives probabilities by the model's own scale and bias", async () => {
    const image = fileURLToPath(new URL("scene.png", examples));
    const [cosines, probabilities] = [await siglip.heatmap(image, "a hamburger"), await siglip.heatmap(image, "a hamburger", { score: "probability" })];
    probabilities.scores.forEach((probability, i) => {
      const logit = (siglip.logitScale as number) * (cosines.scores[i] as number) + (siglip.logitBias as number);
      expect(probability).toBeCloseTo(1 / (1 + Math.exp(-logit)), 4);
    });
    expect(probabilities.range[1]).toBeGreaterThan(0.5);
  });
});
