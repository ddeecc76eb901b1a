import { grad, Graph, openSession, reduceSum, type Tensor } from "@sightline/graph";
import { openWeights } from "@sightline/weights";
import { describe, expect, it } from "vitest";

import { parseClipConfig } from "../../src/config/clip-config.js";
import { parseDinov2Config } from "../../src/config/dinov2-config.js";
import { parseOpenClipConfig } from "../../src/config/open-clip-config.js";
import { clipTextEmbedding, clipVision, type VisionOutputs } from "../../src/models/clip.js";
import { dinov2Vision } from "../../src/models/dinov2.js";
import { eva02Vision, type Eva02VisionConfig } from "../../src/models/eva02-clip.js";
import { patchesOf } from "../../src/models/siglip-vision.js";
import type { Parameter } from "../../src/models/transformer-block.js";
import { weightParameters } from "../../src/weights/weight-parameters.js";
import { goldenTensors } from "../golden-tensors.js";
import { goldenJson, goldenPath } from "../goldens.js";

// References as in relatives.test.ts; these graphs are the ones that training takes, with attention in plain nodes.
const tolerance = 2e-4;
const plain = { fused: false };

const clip = parseClipConfig(goldenJson("clip-laion/config.json"), "config.json");
const giant = parseDinov2Config(goldenJson("dinov2-giant/config.json"), "config.json");
const eva02 = parseOpenClipConfig(goldenJson("eva02-clip/open_clip_config.json"), "open_clip_config.json", { value: goldenJson("eva02-clip/config.json"), fileName: "config.json" }).vision
  .config as Eva02VisionConfig;

const towers: Record<string, { patchSize: number; build: (patches: Tensor, parameter: Parameter) => VisionOutputs }> = {
  "clip-laion": { patchSize: 8, build: (patches, parameter) => clipVision(patches, parameter, clip.vision, plain) },
  "dinov2-giant": { patchSize: 7, build: (patches, parameter) => dinov2Vision(patches, parameter, giant, plain) },
  "eva02-clip": { patchSize: 8, build: (patches, parameter) => eva02Vision(patches, parameter, eva02, plain) },
};

function furthest(got: ArrayLike<number>, want: ArrayLike<number | bigint>): number {
  expect(got).toHaveLength(want.length);
  return Array.from(got).reduce((most, value, i) => Math.max(most, Math.abs(value - Number(want[i]))), 0);
}

describe("towers in plain nodes", () => {
  it.each(Object.entries(towers))("of %s agree with the reference, and have gradients down to the patches", async (model, { patchSize, build }) => {
    const golden = goldenTensors(`${model}/outputs.safetensors`);
    const { shape, data } = golden.get("pixel_values")!;
    await using source = await openWeights(goldenPath(model));
    const graph = new Graph();
    const patches = patchesOf(graph.input("pixels", "float32", shape), patchSize);
    const { patchTokens, pooled } = build(patches, weightParameters(graph, source));
    graph.output("patchTokens", patchTokens);
    graph.output("pooled", pooled);
    graph.output("gradient", grad(reduceSum(pooled), [patches])[0]!);
    await using session = await openSession(graph, { threads: 1, device: "cpu" });
    const outputs = await session.run({ pixels: { dtype: "float32", shape, data } });
    expect(furthest(outputs["patchTokens"]!.data as Float32Array, golden.get("patch_tokens")!.data)).toBeLessThan(tolerance);
    expect(furthest(outputs["pooled"]!.data as Float32Array, golden.get("image_pooled")!.data)).toBeLessThan(tolerance);
    const gradient = outputs["gradient"]!.data as Float32Array;
    expect(gradient.every(Number.isFinite) && gradient.some((value) => value !== 0)).toBe(true);
  });

  it("of CLIP's texts likewise", async () => {
    const golden = goldenTensors("clip-laion/outputs.safetensors");
    const { shape, data } = golden.get("input_ids")!;
    await using source = await openWeights(goldenPath("clip-laion"));
    const graph = new Graph();
    const parameter = weightParameters(graph, source);
    const embedding = clipTextEmbedding(graph.input("ids", "int64", shape), parameter, clip.text, plain);
    graph.output("embedding", embedding);
    const table = parameter("text_model.embeddings.position_embedding.weight", [clip.text.maxTokens, clip.text.width]);
    graph.output("gradient", grad(reduceSum(embedding), [table])[0]!);
    await using session = await openSession(graph, { threads: 1, device: "cpu" });
    const outputs = await session.run({ ids: { dtype: "int64", shape, data } });
    expect(furthest(outputs["embedding"]!.data as Float32Array, golden.get("text_pooled")!.data)).toBeLessThan(tolerance);
    expect((outputs["gradient"]!.data as Float32Array).some((value) => value !== 0)).toBe(true);
  });
});
