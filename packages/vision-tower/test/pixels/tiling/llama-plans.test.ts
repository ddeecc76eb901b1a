import { describe, expect, it } from "vitest";

import { anyresPlan, gemma3Plan, idefics3Plan, letterbox, lfm2Plan, minicpmPlan, qwen3vlPlan, type ImagePlan, type ImageView } from "../../../src/index.js";
import { goldenJson } from "../../goldens.js";

type Pair = readonly [number, number];
interface Slices {
  readonly size: Pair;
  readonly overview: Pair;
  readonly refined: Pair;
  readonly grid: Pair;
}

/** What mtmd of llama.cpp v0.5.0 does with pictures of these sizes, by tools/reference/projectors/llama-plans.cpp. */
interface Golden {
  readonly lfm2: readonly Slices[];
  readonly minicpm: readonly Slices[];
  readonly onevision: readonly Slices[];
  readonly idefics3: readonly { readonly size: Pair; readonly grid: Pair; readonly views: number }[];
  readonly qwen3vl: readonly { readonly size: Pair; readonly frame: Pair }[];
  readonly letterbox: readonly { readonly size: Pair; readonly box: readonly [number, number, number, number] }[];
}

const golden = goldenJson<Golden>("tiling/llama.json");
const llama = { preprocessing: "llama.cpp" } as const;

/** What a view is, or is cut from: the picture resized, on its canvas where it has one; the picture itself where nothing is done. */
function resized(view: ImageView | undefined, picture: Pair): Pair | undefined {
  const step = view?.findLast(({ type }) => type !== "crop");
  return step ? [step.width, step.height] : view && picture;
}

/** A plan in mtmd's words: the overview may come first or last. */
function slices({ views }: ImagePlan, picture: Pair, overview: "first" | "last"): Omit<Slices, "grid"> & { readonly count: number } {
  const whole = overview === "first" ? views[0] : views.at(-1);
  const tile = overview === "first" ? views[1] : views.at(-2);
  return { size: [0, 0], overview: resized(whole, picture) as Pair, refined: resized(tile, picture) ?? [0, 0], count: views.length - 1 };
}

describe("held against llama.cpp", () => {
  it.each(golden.lfm2)("lfm2Plan of $size", ({ size: [width, height], overview, refined, grid }) => {
    expect(slices(lfm2Plan({ width, height }, llama), [width, height], "last")).toEqual({ size: [0, 0], overview, refined, count: grid[0] * grid[1] });
  });

  it.each(golden.minicpm)("minicpmPlan of $size", ({ size: [width, height], overview, refined, grid }) => {
    expect(slices(minicpmPlan({ width, height }, llama), [width, height], "first")).toEqual({ size: [0, 0], overview, refined, count: grid[0] * grid[1] });
  });

  it.each(golden.onevision)("anyresPlan of $size", ({ size: [width, height], overview, refined, grid }) => {
    const sides = [1, 2, 3, 4, 5, 6].map((n) => 384 * n);
    const plan = anyresPlan({ width, height }, { side: 384, sizes: sides.flatMap((high) => sides.map((wide) => ({ width: wide, height: high }))), ...llama });
    expect(resized(plan.views[0], [width, height])).toEqual(overview);
    expect(plan.views).toHaveLength(1 + grid[0] * grid[1]);
    expect(resized(plan.views[1], [width, height]) ?? [0, 0]).toEqual(refined);
    // The tiles are read first.
    expect(plan.layout.at(-1)).toEqual({ type: "view", view: 0 });
  });

  it.each(golden.idefics3)("idefics3Plan of $size", ({ size: [width, height], grid, views }) => {
    const plan = idefics3Plan({ width, height }, { side: 512, longestEdge: 2048, ...llama });
    expect(plan.views).toHaveLength(views);
    expect(plan.views[0]?.[1]).toMatchObject({ width: grid[0] * 512, height: grid[1] * 512 });
  });

  it.each(golden.qwen3vl)("qwen3vlPlan of $size", ({ size: [width, height], frame }) => {
    const [view] = qwen3vlPlan({ width, height }, llama).views;
    // A picture of that size already is left as it is.
    const last = view?.at(-1) ?? { width, height };
    expect([last.width, last.height]).toEqual(frame);
  });

  it.each(golden.letterbox)("letterbox of $size", ({ size: [width, height], box: [left, top, wide, high] }) => {
    const view = letterbox({ width, height }, { width: 64, height: 64 }, "bilinear", [0, 0, 0]);
    const [resize, pad] = view.length === 0 ? [{ width, height }, { left: 0, top: 0 }] : view;
    expect([pad, resize]).toMatchObject([{ left, top }, { width: wide, height: high }]);
  });

  it("gemma3Plan keeps the picture's shape on black, and shows no crops", () => {
    const plan = gemma3Plan({ width: 900, height: 300 }, { side: 896, panAndScan: {}, ...llama });
    expect(plan.views).toEqual([[{ type: "resize", width: 896, height: 299, filter: "bilinear", widthFirst: true }, { type: "pad", width: 896, height: 896, left: 0, top: 298, color: [0, 0, 0] }]]);
    expect(plan.layout).toEqual([{ type: "text", text: "<start_of_image>" }, { type: "view", view: 0 }, { type: "text", text: "<end_of_image>" }]);
  });
});
