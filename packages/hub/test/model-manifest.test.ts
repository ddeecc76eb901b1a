import { describe, expect, it } from "vitest";
import { findManifest, knownModels, parseModelManifest, type ModelManifest } from "../src/index.js";
import { decoderBytes, decoderParameters, downloadBytes, modelMemory, textParameters, towerParameters } from "../src/manifest/model-memory.js";

async function manifest(name: string): Promise<ModelManifest> {
  const found = await findManifest(name);
  if (!found) throw new Error(`no manifest ${name}`);
  return found;
}

/** Published sizes of the files, from public programs that check them after downloading; the formula knows only shapes. */
const publishedBytes: readonly (readonly [string, string, number])[] = [
  ["gemma-3-4b-it", "Q4_K_M", 2_489_757_856],
  ["gemma-3-12b-it", "Q4_K_M", 7_300_574_976],
  ["gemma-3-27b-it", "Q4_K_M", 16_546_404_736],
  ["smolvlm2-256m", "Q8_0", 175_056_352],
  ["smolvlm2-500m", "Q8_0", 436_808_704],
  ["smolvlm2-2.2b", "Q4_K_M", 1_112_602_656],
  ["qwen3-vl-2b", "Q4_K_M", 1_107_409_952],
  ["lfm2-vl-1.6b", "Q8_0", 1_246_252_448],
];

describe("the manifests", () => {
  it("know every SigLIP and SigLIP 2 checkpoint, and the pairs that chats are for", async () => {
    const names = (await knownModels()).map(({ name }) => name);
    expect(names.filter((name) => name.startsWith("siglip-"))).toHaveLength(10);
    expect(names.filter((name) => name.startsWith("siglip2-"))).toHaveLength(17);
    const pairs = ["gemma-3-4b-it", "gemma-3-12b-it", "gemma-3-27b-it", "paligemma2-3b-mix-224", "paligemma2-3b-mix-448", "llava-onevision-0.5b", "llava-onevision-7b", "smolvlm2-256m", "smolvlm2-500m", "smolvlm2-2.2b", "lfm2-vl-450m", "lfm2-vl-1.6b", "minicpm-v-2.6", "qwen3-vl-2b", "qwen3-vl-4b", "qwen3-vl-8b", "mini"];
    expect(names).toEqual(expect.arrayContaining(pairs));
  });

  it("claim no hash and no size that nobody here has seen", async () => {
    for (const { files } of await knownModels()) for (const { bytes, sha256, checked } of files) expect(checked || (bytes === null && sha256 === null)).toBe(true);
  });

  it("are found by name, and by the hub's name in any case", async () => {
    expect((await findManifest("siglip2-so400m-patch14-384"))?.name).toBe("siglip2-so400m-patch14-384");
    expect((await findManifest("Google/SigLIP2-so400m-patch14-384"))?.name).toBe("siglip2-so400m-patch14-384");
    expect(await findManifest("siglip3")).toBeUndefined();
  });

  it("name the field that is wrong", async () => {
    const good = await manifest("gemma-3-4b-it");
    expect(() => parseModelManifest({ ...good, tower: { ...good.tower, width: "wide" } }, "x.json")).toThrow("x.json: tower.width");
    expect(() => parseModelManifest({ ...good, defaultQuantisation: "Q2_K" })).toThrow("defaultQuantisation is none of the decoders'");
    expect(() => parseModelManifest({ ...good, files: [{ ...good.files[0], path: "../x.gguf" }] })).toThrow("expected a path inside the repository");
    expect(() => parseModelManifest([])).toThrow("parseModelManifest: a manifest");
  });
});

describe("sizes from shapes", () => {
  it("count SigLIP's parameters as published, within 1% (millions, image + text)", async () => {
    const published: Readonly<Record<string, readonly [number, number]>> = {
      "siglip-base-patch16-224": [93, 110],
      "siglip-large-patch16-256": [316, 336],
      "siglip-so400m-patch14-384": [428, 450],
      "siglip2-base-patch16-224": [93, 282],
      "siglip2-large-patch16-256": [316, 566],
      "siglip2-so400m-patch16-256": [428, 708],
      "siglip2-giant-opt-patch16-256": [1163, 708],
    };
    for (const [name, [image, text]] of Object.entries(published)) {
      const { tower, text: shape } = await manifest(name);
      expect(towerParameters(tower) / 1e6 / image, name).toBeCloseTo(1, 1.7);
      expect(textParameters(shape as NonNullable<typeof shape>, tower.width) / 1e6 / text, name).toBeCloseTo(1, 1.7);
    }
  });

  it("count Gemma 3's parameters as keras-hub does, but for norms", async () => {
    const total = async (name: string): Promise<number> => {
      const { embeddings, output, blocks } = decoderParameters((await manifest(name)).decoder as NonNullable<ModelManifest["decoder"]>);
      return embeddings + output + blocks;
    };
    // Norms: 34 blocks of 4 x 2560 + 2 x 256, and the last; 48 of 4 x 3840 + 2 x 256.
    expect((await total("gemma-3-4b-it")) + 34 * (4 * 2560 + 512) + 2560).toBe(3_880_099_328);
    expect((await total("gemma-3-12b-it")) + 48 * (4 * 3840 + 512) + 3840).toBe(11_765_788_416);
  });

  it.each(publishedBytes)("come to the size of %s:%s within 3%", async (name, quantisation, published) => {
    const { decoder } = await manifest(name);
    const computed = decoderBytes(decoder as NonNullable<typeof decoder>, quantisation) as number;
    expect(Math.abs(computed / published - 1)).toBeLessThan(0.03);
  });

  it("come to the published size of an mmproj within 2%", async () => {
    const sees = async (name: string): Promise<number> => downloadBytes(await manifest(name)).bytes - (decoderBytes((await manifest(name)).decoder as NonNullable<ModelManifest["decoder"]>, (await manifest(name)).defaultQuantisation as string) as number);
    expect(Math.abs((await sees("gemma-3-4b-it")) / 851_251_104 - 1)).toBeLessThan(0.02);
    expect(Math.abs((await sees("gemma-3-12b-it")) / 854_200_224 - 1)).toBeLessThan(0.02);
    expect(Math.abs((await sees("lfm2-vl-1.6b")) / 830_339_008 - 1)).toBeLessThan(0.02);
  });

  it("give the cache two bytes a number", async () => {
    // Gemma 3 4B: keys and values, 34 blocks, 4 heads of 256, 4096 positions.
    expect(modelMemory(await manifest("gemma-3-4b-it")).cacheBytes).toBe(2 * 34 * 4 * 256 * 2 * 4096);
    // Of LFM2's 16 blocks, 6 attend.
    expect(modelMemory(await manifest("lfm2-vl-1.6b")).cacheBytes).toBe(2 * 6 * 8 * 64 * 2 * 4096);
  });
});
