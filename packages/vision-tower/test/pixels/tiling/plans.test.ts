import { describe, expect, it } from "vitest";

import { anyresPlan, gemma3Plan, idefics3Plan, lfm2Plan, minicpmPlan, qwen3vlPlan, type ImagePlan, type Size } from "../../../src/index.js";
import { goldenJson } from "../../goldens.js";

type Pair = readonly [number, number];
interface Tiled {
  readonly resizes: readonly Pair[];
  readonly rows: number;
  readonly columns: number;
}

/** What transformers 5.23 does with pictures of these sizes, by tools/reference/projectors. */
interface Golden {
  readonly sizes: readonly Pair[];
  readonly gemma3: readonly { readonly crops: readonly Pair[] }[];
  readonly "idefics3-364": readonly Tiled[];
  readonly "idefics3-512": readonly Tiled[];
  readonly "idefics3-384": readonly Tiled[];
  readonly onevision: readonly { readonly best: Pair; readonly size: Pair; readonly left: number; readonly top: number; readonly tokens: number }[];
  readonly lfm2: readonly Tiled[];
  readonly minicpm: readonly { readonly overview: Pair; readonly refined: Pair | null; readonly grid: Pair | null }[];
  /** null where it refuses. */
  readonly qwen3vl: readonly (Pair | null)[];
  readonly texts: {
    readonly gemma3: readonly string[];
    readonly idefics3: readonly (readonly [number, number, string])[];
    readonly lfm2: readonly (readonly [number, number, string])[];
  };
}

const golden = goldenJson<Golden>("tiling/huggingface.json");
const pictures: readonly Size[] = golden.sizes.map(([width, height]) => ({ width, height }));

/** Every size that a plan resizes to, in order, those that views share once. */
function resizes({ views }: ImagePlan): Pair[] {
  const seen = new Set<string>();
  const found: Pair[] = [];
  for (const view of views) {
    let key = "";
    for (const step of view) {
      key += JSON.stringify(step);
      if (step.type === "resize" && !seen.has(key)) found.push([step.width, step.height]);
      seen.add(key);
    }
  }
  return found;
}

/** The layout with one # for each view, checking that the views come in order. */
function prompt({ layout, views }: ImagePlan): string {
  let next = 0;
  const written = layout.map((part) => {
    if (part.type === "text") return part.text;
    if (part.type === "view") expect(part.view).toBe(next++);
    return "#";
  }).join("");
  if (layout.every(({ type }) => type === "text" || type === "view")) expect(next).toBe(views.length);
  return written;
}

describe("gemma3Plan, held against transformers", () => {
  it("crops as pan and scan crops, whole picture first", () => {
    const got = pictures.map((picture) => gemma3Plan(picture, { side: 896, panAndScan: {} }).views.slice(1).map(([crop]) => (crop?.type === "crop" ? [crop.width, crop.height] : undefined)));
    expect(got).toEqual(golden.gemma3.map(({ crops }) => crops));
    expect(golden.gemma3.filter(({ crops }) => crops.length > 0).length).toBeGreaterThan(20);
  });

  it("covers the picture with crops that do not overlap", () => {
    for (const picture of pictures) {
      const crops = gemma3Plan(picture, { side: 896, panAndScan: {} }).views.slice(1).map(([crop]) => crop as unknown as Size & { left: number; top: number });
      if (crops.length === 0) continue;
      expect(crops.reduce((area, { width, height }) => area + width * height, 0)).toBe(picture.width * picture.height);
      expect(new Set(crops.map(({ left, top }) => `${left},${top}`)).size).toBe(crops.length);
    }
  });

  it("makes no crops unless asked to, and squashes", () => {
    const plan = gemma3Plan({ width: 4000, height: 900 }, { side: 896 });
    expect(plan.views).toEqual([[{ type: "resize", width: 896, height: 896, filter: "bilinear" }]]);
    expect(prompt(plan)).toBe(golden.texts.gemma3[0]);
  });

  it("puts transformers' words around the crops", () => {
    const [none, two, four] = [{ width: 600, height: 600 }, { width: 1000, height: 600 }, { width: 4000, height: 900 }].map((picture) => prompt(gemma3Plan(picture, { side: 896, panAndScan: {} })));
    expect([none, two, four]).toEqual(golden.texts.gemma3);
  });
});

describe("idefics3Plan, held against transformers", () => {
  it.each([["idefics3-364", 364, 1456], ["idefics3-512", 512, 2048], ["idefics3-384", 384, 4224]] as const)("cuts as %s", (name, side, longestEdge) => {
    pictures.forEach((picture, i) => {
      const want = golden[name][i] as Tiled;
      const plan = idefics3Plan(picture, { side, longestEdge });
      expect([golden.sizes[i], resizes(plan)]).toEqual([golden.sizes[i], want.resizes]);
      expect(plan.views.length).toBe(want.rows * want.columns + 1);
    });
  });

  it("writes transformers' tokens around the tiles", () => {
    for (const [rows, columns, want] of golden.texts.idefics3) {
      // One tile to a row or column, by the shape of the picture.
      const plan = idefics3Plan({ width: Math.max(columns, 1) * 100, height: Math.max(rows, 1) * 100 }, { side: 100, longestEdge: 100 * Math.max(rows, columns, 1) });
      expect(prompt(plan)).toBe(want);
    }
  });

  it("squashes the whole picture where tiling is off", () => {
    const plan = idefics3Plan({ width: 1000, height: 500 }, { side: 512, longestEdge: 2048, tiling: false });
    expect(resizes(plan)).toEqual([[2048, 1024], [512, 512]]);
    expect(prompt(plan)).toBe(golden.texts.idefics3[0]?.[2]);
  });
});

describe("anyresPlan, held against transformers", () => {
  const sides = [1, 2, 3, 4, 5, 6].map((n) => 384 * n);
  const sizes = sides.flatMap((height) => sides.map((width) => ({ width, height })));

  it("cuts as LLaVA-OneVision", () => {
    pictures.forEach((picture, i) => {
      const want = golden.onevision[i] as Golden["onevision"][number];
      const { views, layout } = anyresPlan(picture, { side: 384, sizes });
      const [columns, rows] = [want.best[0] / 384, want.best[1] / 384];
      expect(layout).toEqual([{ type: "anyres", overview: 0, rows, columns }]);
      expect(views).toHaveLength(1 + rows * columns);
      expect(views[0]).toEqual([{ type: "resize", width: 384, height: 384, filter: "bicubic" }]);
      expect(views.at(-1)).toEqual([
        { type: "resize", width: want.size[0], height: want.size[1], filter: "bicubic" },
        { type: "pad", width: want.best[0], height: want.best[1], left: want.left, top: want.top, color: [0, 0, 0] },
        { type: "crop", left: want.best[0] - 384, top: want.best[1] - 384, width: 384, height: 384 },
      ]);
    });
  });

  it("makes an untiled picture square on its mean, and ends it with a newline", () => {
    expect(anyresPlan({ width: 10, height: 7 }, { side: 384, sizes, tiling: false, background: [1, 2, 3] })).toEqual({
      views: [[{ type: "pad", width: 10, height: 10, left: 0, top: 1, color: [1, 2, 3] }, { type: "resize", width: 384, height: 384, filter: "bicubic" }]],
      layout: [{ type: "view-newline", view: 0 }],
    });
  });

  it("refuses a list of sizes that holds none", () => {
    expect(() => anyresPlan({ width: 10, height: 7 }, { side: 384, sizes: [] })).toThrow(/expected sizes that 10x7 fits into, got none/);
  });
});

describe("lfm2Plan, held against transformers", () => {
  it("cuts as LFM2-VL", () => {
    pictures.forEach((picture, i) => {
      const want = golden.lfm2[i] as Tiled;
      const plan = lfm2Plan(picture);
      expect([golden.sizes[i], resizes(plan)]).toEqual([golden.sizes[i], want.resizes]);
      expect(plan.views.length).toBe(want.rows * want.columns === 1 ? 1 : want.rows * want.columns + 1);
    });
    expect(golden.lfm2.filter(({ rows, columns }) => rows * columns > 1).length).toBeGreaterThan(50);
  });

  it("writes transformers' tokens around the tiles", () => {
    for (const [rows, columns, want] of golden.texts.lfm2) {
      const scale = rows * columns > 1 ? 512 : 100;
      expect(prompt(lfm2Plan({ width: columns * scale, height: rows * scale }, { tolerance: 0.5 }))).toBe(want);
    }
  });
});

describe("minicpmPlan, held against transformers", () => {
  const shown = pictures.filter(({ width, height }) => Math.max(width, height) / Math.min(width, height) <= 20);

  it("slices as MiniCPM-V", () => {
    shown.forEach((picture, i) => {
      const want = golden.minicpm[i] as Golden["minicpm"][number];
      const plan = minicpmPlan(picture);
      expect([picture, resizes(plan)]).toEqual([picture, want.refined ? [want.overview, want.refined] : [want.overview]]);
      expect(plan.views.length).toBe(1 + (want.grid ? want.grid[0] * want.grid[1] : 0));
    });
  });

  it("names the picture and marks its rows", () => {
    expect(prompt(minicpmPlan({ width: 1000, height: 900 }, { imageId: 3 }))).toBe("<image_id>3</image_id><image>#</image><slice>#</slice><slice>#</slice>\n<slice>#</slice><slice>#</slice>");
    expect(prompt(minicpmPlan({ width: 400, height: 400 }))).toBe("<image>#</image>");
  });
});

describe("qwen3vlPlan, held against transformers", () => {
  it("resizes as Qwen3-VL", () => {
    expect(pictures.map((picture) => resizes(qwen3vlPlan(picture))[0])).toEqual(golden.qwen3vl);
    // A side that rounds to nothing makes the picture too small, by the same `smart_resize`.
    expect(resizes(qwen3vlPlan({ width: 3000, height: 15 }))).toEqual([[3648, 32]]);
  });

  it("resizes to whole tokens of other sizes, within other limits", () => {
    expect(resizes(qwen3vlPlan({ width: 1000, height: 700 }, { patchSize: 14, factor: 2, minPixels: 1, maxPixels: 100 * 28 * 28 }))).toEqual([[308, 224]]);
    expect(prompt(qwen3vlPlan({ width: 1000, height: 700 }))).toBe("<|vision_start|>#<|vision_end|>");
  });

  it("refuses a picture that is too long for it, which llama.cpp's way does not", () => {
    expect(() => qwen3vlPlan({ width: 3001, height: 15 })).toThrow(/qwen3vlPlan: expected a picture at most 200 times as long as wide, got 3001x15/);
    expect(qwen3vlPlan({ width: 3001, height: 15 }, { preprocessing: "llama.cpp" }).views).toHaveLength(1);
  });
});

describe("every plan", () => {
  it.each([["gemma3Plan", () => gemma3Plan({ width: 0, height: 3 }, { side: 4 })], ["lfm2Plan", () => lfm2Plan({ width: 3, height: 1.5 })]])("%s refuses a picture that has no whole pixels", (name, plan) => {
    expect(plan).toThrow(`${name}: expected a picture of whole pixels, at least 1x1`);
  });
});
