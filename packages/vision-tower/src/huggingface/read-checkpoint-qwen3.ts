import path from "node:path";
import type { WeightSource } from "@sightline/weights";
import { z } from "zod";
import { ConfigError, invalidConfig } from "../config/config-error.js";
import type { Qwen3Vision } from "../grid-tower/qwen3-grid-tower.js";
import { readProcessor } from "./read-processor.js";
import { towerPrefix } from "./tower-prefix.js";

/** The `model_type` of checkpoints with Qwen3-VL's tower. */
export const qwen3ModelTypes: readonly string[] = ["qwen3_vl", "qwen3_vl_moe"];

const count = z.int().min(1).max(2 ** 24);

// The defaults are those of transformers' Qwen3VLVisionConfig.
const schema = z.object({
  vision_config: z.object({
    hidden_size: count.default(1152),
    intermediate_size: count.default(4304),
    depth: count.max(1024).default(27),
    num_heads: count.default(16),
    patch_size: count.default(16),
    spatial_merge_size: count.default(2),
    temporal_patch_size: z.literal(2).default(2),
    in_channels: z.literal(3).default(3),
    num_position_embeddings: count.default(2304),
    deepstack_visual_indexes: z.array(z.int().min(0)).default([8, 16, 24]),
    hidden_act: z.literal("gelu_pytorch_tanh").default("gelu_pytorch_tanh"),
  }),
});

/** Those of OpenAI's CLIP, which transformers' Qwen2VLImageProcessor takes where a file names none. */
const clip = { mean: [0.48145466, 0.4578275, 0.40821073], std: [0.26862954, 0.26130258, 0.27577711] } as const;

/**
 * Reads Qwen3-VL's vision tower from a Hugging Face checkpoint whose config.json was read already.
 * @throws ConfigError naming the file and the field, what is known and what stood there
 */
export async function readCheckpointQwen3(directory: string, source: WeightSource, modelConfig: unknown, signal?: AbortSignal): Promise<Qwen3Vision & { readonly processorConfig: unknown }> {
  const configFile = path.join(directory, "config.json");
  const parsed = schema.safeParse(modelConfig);
  if (!parsed.success) throw invalidConfig("readCheckpointQwen3", configFile, parsed.error, modelConfig);
  const { vision_config: vision } = parsed.data;
  const fail = (problem: string): never => {
    throw new ConfigError("readCheckpointQwen3", configFile, problem);
  };
  const deepstackLayers = vision.deepstack_visual_indexes;
  if (deepstackLayers.some((layer, i) => layer >= vision.depth || layer <= (deepstackLayers[i - 1] ?? -1))) {
    fail(`vision_config.deepstack_visual_indexes: expected rising blocks below ${vision.depth}, got ${JSON.stringify(deepstackLayers)}`);
  }
  const side = Math.sqrt(vision.num_position_embeddings);
  if (!Number.isInteger(side)) fail(`vision_config.num_position_embeddings: expected a square number, because positions lie in a square grid, got ${vision.num_position_embeddings}`);
  const kernel = "patch_embed.proj.weight";
  const prefix = towerPrefix(source, kernel, fail);
  return {
    ...(await readProcessor(directory, { side: side * vision.patch_size, filter: "bicubic", ...clip }, signal)),
    config: {
      width: vision.hidden_size,
      layers: vision.depth,
      heads: vision.num_heads,
      mlpWidth: vision.intermediate_size,
      layerNormEps: 1e-6,
      patchSize: vision.patch_size,
      deepstackLayers,
    },
    mergeSize: vision.spatial_merge_size,
    kernels: { joint: kernel },
    rename: (name) => prefix + name.replace(".mlp.fc", ".mlp.linear_fc"),
  };
}
