import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { anyresRows, packAnyresRows } from "@sightline/projector";
import { anyresPlan, letterbox, renderViews, type DecodedImage } from "@sightline/vision-tower";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { familyCase, golden, ggufTowerName, writeCheckpoint, writeMmproj } from "../../projector/test/family-case.js";
import { seeded } from "../../projector/test/seeded.js";
import { openImageEncoder } from "../src/image-encoder.js";

// Reference: transformers 5.23 in float32 from pixels to rows, by tools/reference/projectors.
const tolerance = 2e-4;

let folder: string;
let files = 0;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "image-families-"));
});
afterAll(() => rm(folder, { recursive: true }));

/** A model's directory, with the preprocessor that the pixels were normalised with. */
async function directory(model: string): Promise<string> {
  const at = path.join(folder, `${files++}`);
  await using _ = await writeCheckpoint(at, familyCase(model));
  await writeFile(path.join(at, "preprocessor_config.json"), JSON.stringify({ image_mean: [0.5, 0.5, 0.5], image_std: [0.5, 0.5, 0.5] }));
  return at;
}

/** The pictures that seeded.py makes of a name, 64 x 64. */
function pictures(name: string, views: number): DecodedImage[] {
  const levels = seeded(name, [views, 3, 64, 64]).map((value) => Math.floor((value + 1) * 128));
  return Array.from({ length: views }, (_, view) => ({
    width: 64,
    height: 64,
    data: Uint8Array.from({ length: 64 * 64 * 3 }, (__, i) => levels[(view * 3 + (i % 3)) * 64 * 64 + Math.floor(i / 3)] as number),
  }));
}

function furthest(got: Float32Array, want: Float32Array): number {
  expect(got.length).toBe(want.length);
  return got.reduce((most, value, i) => Math.max(most, Math.abs(value - (want[i] as number))), 0);
}

describe("a vision-language checkpoint, held against transformers", () => {
  it.each([["gemma3", 16, "gemma3"], ["paligemma", 64, "linear"], ["llava", 64, "mlp"], ["idefics3", 16, "idefics3"]])("%s from pictures to rows", async (model, tokens, projector) => {
    await using encoder = await openImageEncoder(await directory(model), { threads: 1 });
    expect(encoder).toMatchObject({ tokensPerImage: tokens, width: 20, projector });
    const { embeddings } = await encoder.encode(pictures("pixels", 2));
    expect(furthest(embeddings, (await golden(model, "rows")).data)).toBeLessThan(tolerance);
  });

  it("llava-onevision, tiles joined with what is padding cut off, many shrunk, newlines at the ends of rows", async () => {
    const model = familyCase("llava-onevision");
    await using encoder = await openImageEncoder(await directory("llava-onevision"), { threads: 1 });
    const sizes = (model.config["image_grid_pinpoints"] as [number, number][]).map(([height, width]) => ({ width, height }));
    for (const { width, height, views, rows } of model.images ?? []) {
      const { layout, views: planned } = anyresPlan({ width, height }, { side: 64, sizes });
      const [part] = layout;
      if (part?.type !== "anyres") throw new Error("anyresPlan gave no grid");
      expect(planned).toHaveLength(views);
      const { embeddings } = await encoder.encode(pictures(`pixels ${height}x${width}`, views));
      const geometry = anyresRows({ width, height }, part, 8, 3);
      expect(geometry.rows).toBe(rows);
      const packed = packAnyresRows(embeddings, geometry, encoder.newline as Float32Array);
      // Every fourth channel was kept.
      const kept = Float32Array.from({ length: rows * 5 }, (_, i) => packed[Math.floor(i / 5) * 20 + (i % 5) * 4] as number);
      expect(furthest(kept, (await golden("llava-onevision", `rows ${height}x${width}`)).data)).toBeLessThan(tolerance);
    }
  });

  it("gives the same rows as its mmproj GGUF", async () => {
    const file = path.join(folder, "gemma3.gguf");
    await using _ = await writeMmproj(file, familyCase("gemma3"), "gemma3", (tensor) => {
      const name = ggufTowerName(tensor.name).replace("multi_modal_projector.mm_input_projection_weight", "mm.input_projection.weight").replace("multi_modal_projector", "mm").replace("mm_soft", "soft");
      return { ...tensor, name, data: name.includes("soft_emb_norm") ? (tensor.data as Float32Array).map((value) => value + 1) : tensor.data };
    }, { "clip.vision.projector.scale_factor": { type: "uint32", value: 2 } });
    await using encoder = await openImageEncoder(file, { threads: 1 });
    expect(furthest((await encoder.encode(pictures("pixels", 2))).embeddings, (await golden("gemma3", "rows")).data)).toBeLessThan(tolerance);
  });

  it("takes a processor that is saved within processor_config.json", async () => {
    const at = await directory("paligemma");
    await rm(path.join(at, "preprocessor_config.json"));
    await writeFile(path.join(at, "processor_config.json"), JSON.stringify({ image_processor: { image_mean: [0.5, 0.5, 0.5], image_std: [0.5, 0.5, 0.5], resample: 3 } }));
    await using encoder = await openImageEncoder(at, { threads: 1 });
    expect(furthest((await encoder.encode(pictures("pixels", 2))).embeddings, (await golden("paligemma", "rows")).data)).toBeLessThan(tolerance);
  });
});

describe("preprocessing as llama.cpp does it", () => {
  it("keeps a picture's shape on black for gemma3, where transformers squashes it", async () => {
    const at = await directory("gemma3");
    const picture: DecodedImage = { width: 90, height: 40, data: Uint8Array.from({ length: 90 * 40 * 3 }, (_, i) => (i * 31) % 256) };
    await using squashing = await openImageEncoder(at, { threads: 1 });
    await using boxing = await openImageEncoder(at, { threads: 1, preprocessing: "llama.cpp" });
    const boxed = renderViews(picture, [letterbox(picture, { width: 64, height: 64 }, "bilinear", [0, 0, 0])]);
    const own = (await boxing.encode([picture])).embeddings;
    expect(own).toEqual((await squashing.encode(boxed)).embeddings);
    expect(own).not.toEqual((await squashing.encode([picture])).embeddings);
  });
});

describe("openImageEncoder", () => {
  it.each<[string, Readonly<Record<string, unknown>>, RegExp]>([
    ["another model type", { model_type: "fuyu" }, /config.json: model_type: .*"gemma3".*got "fuyu"/],
    ["a tower that is no SigLIP of one resolution", { vision_config: { model_type: "clip_vision_model" } }, /vision_config.model_type: expected a SigLIP tower of one fixed resolution, got "clip_vision_model"/],
    ["a feature layer that is not there", { vision_feature_layer: -5 }, /vision_feature_layer: expected a block of 3, counted from 1 or back from -1, got -5/],
    ["a class token to leave out", { vision_feature_select_strategy: "default" }, /expected "full": SigLIP has no class token to leave out, got "default"/],
  ])("refuses %s", async (_, change, message) => {
    const at = await directory("llava");
    const { config } = familyCase("llava");
    await writeFile(path.join(at, "config.json"), JSON.stringify({ ...config, ...change, vision_config: { ...(config["vision_config"] as object), ...(change["vision_config"] as object | undefined) } }));
    await expect(openImageEncoder(at)).rejects.toThrow(message);
  });
});
