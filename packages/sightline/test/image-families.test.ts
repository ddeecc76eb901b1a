import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { letterbox, renderViews, type DecodedImage } from "@sightline/vision-tower";
import { openWeights } from "@sightline/weights";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { familyCase, golden, ggufTowerName, writeCheckpoint, writeMmproj } from "../../projector/test/family-case.js";
import { seeded } from "../../projector/test/seeded.js";
import { openImageEncoder, type ImageEncoder } from "../src/image-encoder.js";

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

/** The rows of views one after the other. */
async function rowsOf(encoder: ImageEncoder, views: readonly DecodedImage[]): Promise<Float32Array> {
  return Float32Array.from((await encoder.encodeViews(views)).rows.flatMap((rows) => [...rows]));
}

/** The rows of a picture as the model plans it. */
async function encoded(encoder: ImageEncoder, image: DecodedImage): Promise<Float32Array> {
  const { pictures: [parts = []] } = await encoder.encode([{ image, plan: encoder.plan(image) }]);
  return Float32Array.from(parts.flatMap((part) => (part.type === "rows" ? [...part.embeddings] : [])));
}

async function newline(model: string): Promise<Float32Array> {
  await using source = await openWeights(model);
  return source.readFloat32([...source.tensors.keys()].find((name) => name.endsWith("image_newline")) as string);
}

function furthest(got: Float32Array, want: Float32Array): number {
  expect(got.length).toBe(want.length);
  return got.reduce((most, value, i) => Math.max(most, Math.abs(value - (want[i] as number))), 0);
}

describe("a vision-language checkpoint, held against transformers", () => {
  it.each([["gemma3", 16, "gemma3"], ["paligemma", 64, "linear"], ["llava", 64, "mlp"], ["idefics3", 16, "idefics3"]])("%s from pictures to rows", async (model, tokens, projector) => {
    await using encoder = await openImageEncoder(await directory(model), { threads: 1 });
    expect(encoder).toMatchObject({ width: 20, projector });
    expect(encoder.tokens(encoder.model.plan({ width: 64, height: 64 }, { detail: "low" }))).toBe(tokens);
    expect(furthest(await rowsOf(encoder, pictures("pixels", 2)), (await golden(model, "rows")).data)).toBeLessThan(tolerance);
  });

  it("llava-onevision, tiles joined with what is padding cut off, many shrunk, newlines at the ends of rows", async () => {
    const model = familyCase("llava-onevision");
    const directoryOf = await directory("llava-onevision");
    await using encoder = await openImageEncoder(directoryOf, { threads: 1 });
    for (const { width, height, views, rows } of model.images ?? []) {
      const plan = encoder.model.plan({ width, height });
      expect(plan.layout.map(({ type }) => type)).toEqual(["anyres"]);
      expect(plan.views).toHaveLength(views);
      expect(encoder.tokens(plan)).toBe(rows);
      const tiles = await encoder.encodeViews(pictures(`pixels ${height}x${width}`, views));
      const [part] = encoder.model.parts(plan, tiles.rows, await newline(directoryOf));
      const packed = part?.type === "rows" ? part.embeddings : new Float32Array();
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
    expect(furthest(await rowsOf(encoder, pictures("pixels", 2)), (await golden("gemma3", "rows")).data)).toBeLessThan(tolerance);
  });

  it("takes a processor that is saved within processor_config.json", async () => {
    const at = await directory("paligemma");
    await rm(path.join(at, "preprocessor_config.json"));
    await writeFile(path.join(at, "processor_config.json"), JSON.stringify({ image_processor: { image_mean: [0.5, 0.5, 0.5], image_std: [0.5, 0.5, 0.5], resample: 3 } }));
    await using encoder = await openImageEncoder(at, { threads: 1 });
    expect(furthest(await rowsOf(encoder, pictures("pixels", 2)), (await golden("paligemma", "rows")).data)).toBeLessThan(tolerance);
  });
});

describe("preprocessing as llama.cpp does it", () => {
  it("keeps a picture's shape on black for gemma3, where transformers squashes it", async () => {
    const at = await directory("gemma3");
    const picture: DecodedImage = { width: 90, height: 40, data: Uint8Array.from({ length: 90 * 40 * 3 }, (_, i) => (i * 31) % 256) };
    await using squashing = await openImageEncoder(at, { threads: 1 });
    await using boxing = await openImageEncoder(at, { threads: 1, preprocessing: "llama.cpp" });
    const boxed = renderViews(picture, [letterbox(picture, { width: 64, height: 64 }, "bilinear", [0, 0, 0])]);
    const own = await encoded(boxing, picture);
    expect(own).toEqual(await rowsOf(squashing, boxed));
    expect(own).not.toEqual(await encoded(squashing, picture));
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
