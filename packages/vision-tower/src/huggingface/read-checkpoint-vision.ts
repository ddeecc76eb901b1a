import path from "node:path";
import type { WeightSource } from "@sightline/weights";
import { z } from "zod";
import { ConfigError, invalidConfig } from "../config/config-error.js";
import { readJson } from "../config/read-json.js";
import type { MmprojVision, PositionUse } from "../mmproj/read-mmproj-vision.js";
import type { ResampleFilter } from "../pixels/resample-filter.js";
import { readProcessor } from "./read-processor.js";
import { towerPrefix } from "./tower-prefix.js";

/** The SigLIP tower of a Hugging Face vision-language checkpoint, and the files' values for those who read on. */
export interface CheckpointVision extends MmprojVision {
  /** The value of config.json. */
  readonly modelConfig: unknown;
  /** The value of preprocessor_config.json, or of `image_processor` in processor_config.json. */
  readonly processorConfig: unknown;
}

interface VisionLanguageType {
  /** What transformers takes for a field that config.json leaves out. */
  readonly defaults: Readonly<Record<keyof typeof counts, number>>;
  readonly filter: ResampleFilter;
  /** Where the projector reads a block before the last norm: what `vision_feature_layer` is when it is left out. */
  readonly featureLayer?: number;
  /** What the tower's own `model_type` may be; SigLIP's of one resolution when left out. */
  readonly towers?: readonly string[];
  /** "fixed" when left out. */
  readonly positions?: PositionUse;
}

const count = z.int().min(1).max(2 ** 24);
const counts = { hidden_size: count, intermediate_size: count, num_hidden_layers: count.max(1024), num_attention_heads: count, image_size: count, patch_size: count };
const fixedTowers = ["siglip_vision_model", "idefics3", "idefics3_vision", "smolvlm_vision"];

const siglip = { hidden_size: 768, intermediate_size: 3072, num_hidden_layers: 12, num_attention_heads: 12, image_size: 224, patch_size: 16 };
const idefics3 = { hidden_size: 1152, intermediate_size: 3072, num_hidden_layers: 12, num_attention_heads: 16, image_size: 224, patch_size: 32 };
const types: Readonly<Record<string, VisionLanguageType>> = {
  gemma3: { defaults: siglip, filter: "bilinear" },
  idefics3: { defaults: idefics3, filter: "lanczos" },
  smolvlm: { defaults: idefics3, filter: "lanczos" },
  paligemma: { defaults: siglip, filter: "bicubic" },
  llava: { defaults: siglip, filter: "bicubic", featureLayer: -2 },
  llava_onevision: { defaults: siglip, filter: "bicubic", featureLayer: -1 },
  lfm2_vl: { defaults: { ...siglip, image_size: 256 }, filter: "bilinear", towers: ["siglip2_vision_model"], positions: "resized" },
  minicpmv: { defaults: siglip, filter: "bicubic", towers: ["siglip", "siglip_vision_model"], positions: "bucketed" },
};

const configSchema = z.object({
  model_type: z.enum(Object.keys(types) as [string, ...string[]]),
  vision_config: z.object({
    model_type: z.string().optional(),
    ...(Object.fromEntries(Object.entries(counts).map(([field, schema]) => [field, schema.optional()])) as { [field in keyof typeof counts]: z.ZodOptional<typeof count> }),
    layer_norm_eps: z.number().positive().max(1).default(1e-6),
    hidden_act: z.literal("gelu_pytorch_tanh").default("gelu_pytorch_tanh"),
  }),
  /** Side of a slice of MiniCPM-V. */
  image_size: count.optional(),
  drop_vision_last_layer: z.boolean().default(false),
  vision_feature_layer: z.union([z.int(), z.array(z.int()).length(1)]).optional(),
  vision_feature_select_strategy: z.literal("full", { error: 'expected "full": SigLIP has no class token to leave out' }).optional(),
});

/**
 * Reads the tower of a vision-language checkpoint: its shape from config.json, its pixels from preprocessor_config.json.
 * Images are squashed to the tower's square, as a picture that is not tiled is in transformers.
 * @throws ConfigError naming the file and the field, what is known and what stood there
 */
export async function readCheckpointVision(directory: string, source: WeightSource, { signal }: { readonly signal?: AbortSignal } = {}): Promise<CheckpointVision> {
  const configFile = path.join(directory, "config.json");
  const modelConfig = await readJson(configFile, signal);
  const parsed = configSchema.safeParse(modelConfig);
  if (!parsed.success) throw invalidConfig("readCheckpointVision", configFile, parsed.error, modelConfig);
  const { model_type: modelType, vision_config: vision } = parsed.data;
  const { defaults, filter, featureLayer, towers = fixedTowers, positions = "fixed" } = types[modelType] as VisionLanguageType;
  const value = (field: keyof typeof counts): number => vision[field] ?? defaults[field];
  const fail = (problem: string): never => {
    throw new ConfigError("readCheckpointVision", configFile, problem);
  };
  if (vision.model_type !== undefined && !towers.includes(vision.model_type)) {
    const expected = towers === fixedTowers ? "a SigLIP tower of one fixed resolution" : towers.map((name) => `"${name}"`).join(" or ");
    fail(`vision_config.model_type: expected ${expected}, got "${vision.model_type}"`);
  }
  const blocks = value("num_hidden_layers") - (parsed.data.drop_vision_last_layer ? 1 : 0);
  const config = {
    width: value("hidden_size"),
    layers: featureLayer === undefined ? blocks : blocksUsed([parsed.data.vision_feature_layer ?? featureLayer].flat()[0] as number, blocks, fail),
    heads: value("num_attention_heads"),
    mlpWidth: value("intermediate_size"),
    layerNormEps: vision.layer_norm_eps,
    imageSize: positions === "bucketed" ? (parsed.data.image_size ?? 448) : value("image_size"),
    patchSize: value("patch_size"),
  };
  if (config.width % config.heads !== 0) fail(`vision_config: expected hidden_size to be a multiple of num_attention_heads, got ${config.width} and ${config.heads}`);
  if (config.patchSize > config.imageSize) fail(`vision_config: expected patch_size to be at most image_size, got ${config.patchSize} and ${config.imageSize}`);
  const { processorConfig, preprocessing } = await readProcessor(directory, { side: config.imageSize, filter, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] }, signal);
  const prefix = towerPrefix(source, "embeddings.patch_embedding.weight", fail);
  return { config, preprocessing, postLayerNorm: featureLayer === undefined, positions, rename: (name) => name.replace(/^vision_model\./, prefix), modelConfig, processorConfig };
}

/** `vision_feature_layer` counts the states of the tower from 0, what goes into the first block, or back from -1, the last. */
function blocksUsed(layer: number, blocks: number, fail: (problem: string) => never): number {
  const used = layer < 0 ? blocks + 1 + layer : layer;
  if (used < 1 || used > blocks) fail(`vision_feature_layer: expected a block of ${blocks}, counted from 1 or back from -1, got ${layer}`);
  return used;
}
