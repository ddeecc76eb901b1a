import { Graph, l2Normalize, openSession } from "@sightline/graph";
import type { Tensor, TensorValue } from "@sightline/graph";
import { describe, expect, it } from "vitest";

import { loadSiglipConfig } from "../../src/config/load-siglip-config.js";
import { siglipTextEmbedding } from "../../src/models/siglip-text.js";
import { patchesOf, siglipPatchTokens, siglipPooledEmbedding } from "../../src/models/siglip-vision.js";
import type { Parameter } from "../../src/models/transformer-block.js";
import { decodeImage } from "../../src/pixels/decode-image.js";
import { preprocess } from "../../src/pixels/preprocess.js";
import { goldenTensors, goldenWeights } from "../golden-tensors.js";
import type { GoldenTensor } from "../golden-tensors.js";
import { goldenPath } from "../goldens.js";

// References: transformers' SiglipModel in float32 and Pillow, by tools/reference/siglip.
const patchTolerance = 2e-4;
const embeddingTolerance = 1e-4;

function furthest(got: TensorValue | undefined, want: GoldenTensor | undefined): number {
  expect(got?.shape).toEqual(want?.shape);
  const [a, b] = [got!.data as Float32Array, want!.data as Float32Array];
  return a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0);
}

/** Both towers of a golden model, run on the inputs of its outputs.safetensors. */
async function run(model: string, fused: boolean): Promise<Record<string, TensorValue>> {
  const { config } = await loadSiglipConfig(goldenPath(model));
  const weights = goldenWeights(model);
  const inputs = goldenTensors(`${model}/outputs.safetensors`);
  const graph = new Graph();
  const known = new Map<string, Tensor>();
  const parameter: Parameter = (name, shape) => {
    const weight = weights.get(name);
    expect(weight?.shape, name).toEqual(shape);
    let tensor = known.get(name);
    if (tensor === undefined) known.set(name, (tensor = graph.weight(name, "float32", shape, weight!.data)));
    return tensor;
  };
  const side = config.vision.imageSize;
  const pixels = graph.input("pixels", "float32", ["B", 3, side, side]);
  const ids = graph.input("ids", "int64", ["N", config.text.maxTokens]);
  const patchTokens = siglipPatchTokens(patchesOf(pixels, config.vision.patchSize), parameter, config.vision, { fused });
  const pooled = siglipPooledEmbedding(patchTokens, parameter, config.vision);
  const text = siglipTextEmbedding(ids, parameter, config.text, { fused });
  graph.output("patch_tokens", patchTokens);
  graph.output("image_pooled", pooled);
  graph.output("image_embeddings", l2Normalize(pooled));
  graph.output("text_pooled", text);
  graph.output("text_embeddings", l2Normalize(text));
  await using session = await openSession(graph, { device: "cpu", threads: 1 });
  const { pixel_values, input_ids } = Object.fromEntries(inputs) as { pixel_values: GoldenTensor; input_ids: GoldenTensor };
  return session.run({
    pixels: { dtype: "float32", ...pixel_values },
    ids: { dtype: "int64", ...input_ids },
  });
}

describe.each(["siglip-bfloat16", "siglip-float16", "siglip-sharded", "siglip-giant", "siglip-i18n"])("%s", (model) => {
  const golden = goldenTensors(`${model}/outputs.safetensors`);

  it("preprocesses the photo and its crop to transformers' very bits", async () => {
    const { preprocessing } = await loadSiglipConfig(goldenPath(model));
    const images = [await decodeImage(goldenPath("photo.jpg")), await decodeImage(goldenPath("photo-crop.png"))];
    const batch = preprocess(images, preprocessing);
    expect(batch.shape).toEqual(golden.get("pixel_values")!.shape);
    expect(batch.data).toEqual(golden.get("pixel_values")!.data);
  });

  it.each([["plain", false], ["fused", true]] as const)("agrees with transformers in both towers, %s attention", async (_, fused) => {
    const got = await run(model, fused);
    expect(furthest(got["patch_tokens"], golden.get("patch_tokens"))).toBeLessThan(patchTolerance);
    expect(furthest(got["image_pooled"], golden.get("image_pooled"))).toBeLessThan(patchTolerance);
    expect(furthest(got["text_pooled"], golden.get("text_pooled"))).toBeLessThan(patchTolerance);
    expect(furthest(got["image_embeddings"], golden.get("image_embeddings"))).toBeLessThan(embeddingTolerance);
    expect(furthest(got["text_embeddings"], golden.get("text_embeddings"))).toBeLessThan(embeddingTolerance);
  });
});
