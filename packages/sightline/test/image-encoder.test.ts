import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { DecodedImage } from "@sightline/vision-tower";
import { writeGguf, type GgufValue, type TensorToWrite } from "@sightline/weights";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openImageEncoder } from "../src/image-encoder.js";
import { findModelFiles } from "../src/index.js";

const [width, mlpWidth, outputWidth, imageSize, patchSize] = [8, 12, 5, 12, 4] as const;
const u32 = (value: number): GgufValue => ({ type: "uint32", value });
const floats = (...value: number[]): GgufValue => ({ type: "array", of: "float32", value });

function seeded(name: string, ...shape: number[]): TensorToWrite {
  const length = shape.reduce((product, dim) => product * dim, 1);
  return { name, dtype: "F32", shape, data: Float32Array.from({ length }, (_, i) => Math.sin(name.length * 17 + i * 3.7)) };
}

const both = (name: string, outWidth: number, inWidth: number): TensorToWrite[] => [seeded(`${name}.weight`, outWidth, inWidth), seeded(`${name}.bias`, outWidth)];
const norm = (name: string): TensorToWrite[] => [seeded(`${name}.weight`, width), seeded(`${name}.bias`, width)];

const tower: readonly TensorToWrite[] = [
  seeded("v.patch_embd.weight", width, 3, patchSize, patchSize),
  seeded("v.patch_embd.bias", width),
  seeded("v.position_embd.weight", 9, width),
  ...norm("v.blk.0.ln1"),
  ...norm("v.blk.0.ln2"),
  ...["attn_q", "attn_k", "attn_v", "attn_out"].flatMap((name) => both(`v.blk.0.${name}`, width, width)),
  ...both("v.blk.0.ffn_up", mlpWidth, width),
  ...both("v.blk.0.ffn_down", width, mlpWidth),
  ...norm("v.post_ln"),
];

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "image-encoder-"));
});
afterAll(() => rm(folder, { recursive: true }));

let files = 0;

async function mmproj(type: string, projector: readonly TensorToWrite[], more: Readonly<Record<string, GgufValue>> = {}): Promise<string> {
  const file = path.join(folder, `mmproj-${files++}.gguf`);
  const metadata: Record<string, GgufValue> = {
    "general.architecture": { type: "string", value: "clip" },
    "clip.has_vision_encoder": { type: "bool", value: true },
    "clip.projector_type": { type: "string", value: type },
    "clip.use_gelu": { type: "bool", value: true },
    "clip.vision.image_size": u32(imageSize),
    "clip.vision.patch_size": u32(patchSize),
    "clip.vision.embedding_length": u32(width),
    "clip.vision.feed_forward_length": u32(mlpWidth),
    "clip.vision.block_count": u32(1),
    "clip.vision.feature_layer": { type: "array", of: "int32", value: [1] },
    "clip.vision.attention.head_count": u32(2),
    "clip.vision.attention.layer_norm_epsilon": { type: "float32", value: 1e-6 },
    "clip.vision.image_mean": floats(0.5, 0.5, 0.5),
    "clip.vision.image_std": floats(0.5, 0.5, 0.5),
    ...more,
  };
  await writeGguf(file, { metadata: Object.entries(metadata), tensors: [...tower, ...projector] });
  return file;
}

const llava = (inWidth: number): TensorToWrite[] => [...both("mm.0", 6, inWidth), ...both("mm.2", outputWidth, 6)];

function picture(seed: number): DecodedImage {
  return { width: 20, height: 15, data: Uint8Array.from({ length: 20 * 15 * 3 }, (_, i) => (i * seed) % 256) };
}

describe("openImageEncoder", () => {
  it("gives each image of a long batch the rows that it gets alone", async () => {
    await using encoder = await openImageEncoder(await mmproj("mlp", llava(width)), { threads: 1 });
    expect([encoder.tokens(encoder.plan(picture(1))), encoder.width]).toEqual([9, outputWidth]);
    const images = Array.from({ length: 10 }, (_, i) => picture(i * 10 + 7));
    const { rows: embeddings, timings } = await encoder.encodeViews(images);
    expect(embeddings.map((rows) => rows.length)).toEqual(images.map(() => 9 * outputWidth));
    expect(timings.preprocessMs).toBeGreaterThan(0);
    expect(timings.encodeMs).toBeGreaterThan(0);
    for (const i of [0, 9]) {
      const [alone = new Float32Array()] = (await encoder.encodeViews([images[i] as DecodedImage])).rows;
      const rows = embeddings[i] as Float32Array;
      alone.forEach((value, at) => expect(rows[at]).toBeCloseTo(value, 4));
    }
    expect(embeddings[0]).not.toEqual(embeddings[9]);
  });

  it("counts the tokens of a pixel shuffle on a grid that does not divide", async () => {
    const file = await mmproj("idefics3", [seeded("mm.model.fc.weight", outputWidth, 4 * width)], { "clip.vision.projector.scale_factor": u32(2) });
    await using encoder = await openImageEncoder(file, { threads: 1 });
    expect(encoder.tokens(encoder.plan(picture(3), { detail: "low" }))).toBe(4);
    expect((await encoder.encodeViews([picture(3)])).rows[0]).toHaveLength(4 * outputWidth);
  });

  it("gives no rows for no images, and stops at the signal", async () => {
    await using encoder = await openImageEncoder(await mmproj("mlp", llava(width)), { threads: 1 });
    expect((await encoder.encodeViews([])).rows).toHaveLength(0);
    await expect(encoder.encodeViews([picture(3)], { signal: AbortSignal.abort(new Error("enough")) })).rejects.toThrow("enough");
  });

  it("names both widths when the projector was made for another tower", async () => {
    await expect(openImageEncoder(await mmproj("mlp", llava(width + 1)))).rejects.toThrow(/reads patch tokens of width 9, but the tower gives \[B, 9, 8\]/);
  });

  it("waits for a run under way before it is freed, and refuses the next", async () => {
    const encoder = await openImageEncoder(await mmproj("mlp", llava(width)), { threads: 1 });
    const encoding = encoder.encodeViews([picture(3)]);
    await encoder[Symbol.asyncDispose]();
    expect((await encoding).rows[0]).toHaveLength(9 * outputWidth);
    await expect(encoder.encodeViews([picture(3)])).rejects.toThrow(/disposed/);
  });

  it("in int8 gives rows close to float32's, and not the same", async () => {
    const { mmproj: mini } = await findModelFiles("mini");
    await using exact = await openImageEncoder(mini, { threads: 1 });
    await using int8 = await openImageEncoder(mini, { threads: 1, precision: "int8" });
    const [own = new Float32Array()] = (await int8.encodeViews([picture(7)])).rows;
    const [wanted = new Float32Array()] = (await exact.encodeViews([picture(7)])).rows;
    const dot = (a: Float32Array, b: Float32Array): number => a.reduce((sum, value, i) => sum + value * (b[i] as number), 0);
    expect(dot(own, wanted) / Math.sqrt(dot(own, own) * dot(wanted, wanted))).toBeGreaterThan(0.98);
    expect(own).not.toEqual(wanted);
  });

  it("refuses int8 on another device than the CPU", async () => {
    await expect(openImageEncoder(await mmproj("mlp", llava(width)), { precision: "int8", device: "cuda" })).rejects.toThrow('openImageEncoder: expected precision "float32" or "auto" for a tower of any resolution or on device cuda, got "int8"');
  });
});
