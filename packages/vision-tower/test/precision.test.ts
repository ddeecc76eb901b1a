import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadSiglip, loadVisionTower, type ImageEmbeddings, type Siglip } from "../src/index.js";
import { goldenPath } from "./goldens.js";
import { leastCosine, meanCosine } from "./row-cosines.js";
import { plantOutliers } from "./planted-outliers.js";

const mini = fileURLToPath(new URL("../../../models/mini/siglip", import.meta.url));
const examples = fileURLToPath(new URL("../../../examples", import.meta.url));

// The project's own bar for int8.
const pooledBar = 0.995;
const patchBar = 0.99;

let folder: string;
let images: (string | Uint8Array)[];
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "precision-test-"));
  images = (await readdir(examples)).filter((name) => name.endsWith(".png")).map((name) => path.join(examples, name));
  // Real photos that int8 was not tried on: parts of one, upside down, darker, and grey.
  const photo = sharp(goldenPath("photo.jpg"));
  const variants = [
    photo.clone().extract({ left: 0, top: 0, width: 160, height: 120 }),
    photo.clone().extract({ left: 150, top: 60, width: 170, height: 140 }),
    photo.clone().rotate(180),
    photo.clone().modulate({ brightness: 0.3 }),
    photo.clone().greyscale(),
  ];
  for (const variant of variants) images.push(await variant.png().toBuffer());
});
afterAll(() => rm(folder, { recursive: true }));

describe("int8 with mini's trained weights", () => {
  it("keeps the direction of embeddings and patch tokens, and the decisions of tags", async () => {
    await using exact = await loadSiglip(mini, { threads: 2 });
    await using siglip = await loadSiglip(mini, { threads: 2, precision: "int8" });
    const [float32, int8] = [await exact.encodeImages(images), await siglip.encodeImages(images)];
    expect(leastCosine(float32.pooled, int8.pooled, float32.pooledWidth)).toBeGreaterThan(pooledBar);
    expect(leastCosine(float32.patchTokens, int8.patchTokens, float32.width)).toBeGreaterThan(patchBar);
    expect(float32.pooled).not.toEqual(int8.pooled);

    const labels = "airplane,hamburger,sailboat,dog,cat,car,bicycle,tree,house,apple,banana,pizza,fish,bird,horse,train,bus,clock,umbrella,guitar,rocket,snowman,mushroom,cactus,crab".split(",");
    let decisions = 0;
    let changed = 0;
    for (const image of images) {
      const holds = async (model: Siglip): Promise<Map<string, boolean>> => new Map((await model.tag(image, labels)).tags.map(({ label, probability }) => [label, probability >= 0.5]));
      const [before, after] = [await holds(exact), await holds(siglip)];
      for (const label of labels) {
        decisions++;
        if (before.get(label) !== after.get(label)) changed++;
      }
    }
    expect(decisions).toBe(images.length * labels.length);
    expect(changed / decisions).toBeLessThanOrEqual(0.01);
  });

  it("says what it came to", async () => {
    await using siglip = await loadSiglip(mini, { precision: "int8" });
    const report = await siglip.precision();
    expect(report).toMatchObject({ precision: "int8", int8Layers: 36, linearLayers: 39 });
    expect(report.cosinePooled).toBeGreaterThan(0.996);
    expect(report.cosinePatch).toBeGreaterThan(0.99);
    await using exact = await loadSiglip(mini);
    expect(await exact.precision()).toMatchObject({ precision: "float32", int8Layers: 0, cosinePooled: 1 });
  });

  it("is what auto takes only if it is faster here; either way within the bars", async () => {
    await using siglip = await loadSiglip(mini, { precision: "auto" });
    const report = await siglip.precision();
    expect(["float32", "int8"]).toContain(report.precision);
    expect(report.cosinePooled).toBeGreaterThan(0.996);
  });
});

describe("int8 with outlier channels planted in random weights", () => {
  it.each([
    ["gains of layer norms", /vision_model.*layer_norm[12]\.weight$/, 60],
    ["biases of the residual stream", /vision_model.*layers\.0\.mlp\.fc2\.bias$/, 500],
    ["hidden channels of the MLP", /vision_model.*mlp\.fc1\.bias$/, 100],
    ["gains so large that attention saturates", /vision_model.*layer_norm1\.weight$/, 5000],
  ])("holds the bars: %s", async (_, names, factor) => {
    const directory = await plantOutliers(folder, names, factor);
    await using exact = await loadSiglip(directory, { towers: ["vision"] });
    await using siglip = await loadSiglip(directory, { towers: ["vision"], precision: "int8" });
    const [float32, int8] = [await exact.encodeImages(images), await siglip.encodeImages(images)];
    expect(leastCosine(float32.pooled, int8.pooled, float32.pooledWidth)).toBeGreaterThan(pooledBar);
    // Over the tokens of an image: where attention saturates, any rounding may turn a single one.
    for (let image = 0; image < float32.batch; image++) {
      const tokensOf = ({ patchTokens, patches, width }: ImageEmbeddings): Float32Array => patchTokens.subarray(image * patches * width, (image + 1) * patches * width);
      expect(meanCosine(tokensOf(float32), tokensOf(int8), float32.width)).toBeGreaterThan(patchBar);
    }
    expect((await siglip.precision()).int8Layers).toBeGreaterThan(0);
  });
});

describe("int8 of other families", () => {
  it.each(["siglip2-naflex", "clip-openai", "dinov2", "eva02-clip"])("holds the bars: %s", async (model) => {
    await using exact = await loadVisionTower(goldenPath(model));
    await using tower = await loadVisionTower(goldenPath(model), { precision: "int8" });
    const photos = [goldenPath("photo.jpg"), goldenPath("photo-crop.png")];
    const [float32, int8] = [await exact.encodeImages(photos), await tower.encodeImages(photos)];
    expect(leastCosine(float32.pooled, int8.pooled, float32.pooledWidth)).toBeGreaterThan(pooledBar);
    expect(meanCosine(float32.patchTokens, int8.patchTokens, float32.width)).toBeGreaterThan(patchBar);
    expect((await tower.precision()).int8Layers).toBeGreaterThan(10);
  });
});

describe("a precision that does not fit", () => {
  it("is an error that says what does", async () => {
    await using siglip = await loadSiglip(mini, { precision: "float16", device: "cpu" });
    await expect(siglip.encodeImages(images.slice(0, 1))).rejects.toThrow('expected precision "float32", "int8" or "auto" on the CPU, got "float16"');
    await expect(loadSiglip(mini, { precision: "int4" as "int8" })).rejects.toThrow('expected precision to be one of "float32", "float16", "int8", "auto", got "int4"');
  });
});
