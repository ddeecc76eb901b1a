import { z } from "zod";

import type { ClipTextConfig, ClipVisionConfig } from "../models/clip.js";
import { ConfigError, invalidConfig } from "./config-error.js";
import { count, layers, normEps, unquantized } from "./model-dimensions.js";

/** Both towers of a CLIP model. */
export interface ClipConfig {
  readonly vision: ClipVisionConfig;
  readonly text: ClipTextConfig;
}

const act = z.literal(["quick_gelu", "gelu"]).default("quick_gelu");
const eps = normEps.default(1e-5);

// Published files leave out what equals transformers' defaults, so the defaults here are those of its CLIPVisionConfig,
// CLIPTextConfig and CLIPConfig: openai/clip-vit-base-patch32.
const visionSchema = z.object({
  hidden_size: count.default(768),
  num_hidden_layers: layers.default(12),
  num_attention_heads: count.default(12),
  intermediate_size: count.default(3072),
  image_size: count.default(224),
  patch_size: count.default(32),
  num_channels: z.literal(3).default(3),
  hidden_act: act,
  layer_norm_eps: eps,
  projection_dim: count.default(512),
  quantization_config: unquantized,
});

const textSchema = z.object({
  hidden_size: count.default(512),
  num_hidden_layers: layers.default(12),
  num_attention_heads: count.default(8),
  intermediate_size: count.default(2048),
  vocab_size: count.default(49408),
  max_position_embeddings: count.min(2).max(2 ** 14).default(77),
  hidden_act: act,
  layer_norm_eps: eps,
  eos_token_id: z.int().min(0).default(49407),
});

const orDefaults = <T extends z.ZodType>(schema: T): z.ZodPreprocess<T> => z.preprocess((value) => value ?? {}, schema);

const schema = z.object({
  model_type: z.literal("clip"),
  vision_config: orDefaults(visionSchema),
  text_config: orDefaults(textSchema),
  projection_dim: count.default(512),
  quantization_config: unquantized,
});

/**
 * Reads the value of a Hugging Face `config.json` with `model_type: "clip"`.
 *
 * @param value What `JSON.parse` gave.
 * @param fileName For errors only.
 * @throws ConfigError naming the field, what is known and what stood there; also when two fields contradict each other.
 */
export function parseClipConfig(value: unknown, fileName: string): ClipConfig {
  const given = withConfigDicts(value);
  const parsed = schema.safeParse(given);
  if (!parsed.success) throw invalidConfig("parseClipConfig", fileName, parsed.error, given);
  const { vision_config: vision, text_config: t, projection_dim } = parsed.data;
  const text: ClipTextConfig = {
    width: t.hidden_size,
    layers: t.num_hidden_layers,
    heads: t.num_attention_heads,
    mlpWidth: t.intermediate_size,
    layerNormEps: t.layer_norm_eps,
    activation: t.hidden_act,
    vocabularySize: t.vocab_size,
    maxTokens: t.max_position_embeddings,
    projectionWidth: projection_dim,
    // Early files give 2, which no CLIP's end token is; transformers then takes the largest id of a text.
    endId: t.eos_token_id === 2 ? undefined : t.eos_token_id,
  };
  checkHeads("text_config", text, fileName);
  return { vision: visionConfig(vision, projection_dim, "vision_config", fileName), text };
}

/**
 * Reads the value of a Hugging Face `config.json` with `model_type: "clip_vision_model"`, the vision tower alone.
 *
 * @throws ConfigError likewise.
 */
export function parseClipVisionConfig(value: unknown, fileName: string): ClipVisionConfig {
  const parsed = visionSchema.safeParse(value);
  if (!parsed.success) throw invalidConfig("parseClipVisionConfig", fileName, parsed.error, value);
  return visionConfig(parsed.data, parsed.data.projection_dim, "the file", fileName);
}

/** Some early files say it twice, and transformers takes the `_dict`, its missing fields being the defaults. */
function withConfigDicts(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  const { text_config_dict: text, vision_config_dict: vision } = value as { text_config_dict?: unknown; vision_config_dict?: unknown };
  return { ...value, ...(text ? { text_config: text } : {}), ...(vision ? { vision_config: vision } : {}) };
}

function visionConfig(v: z.infer<typeof visionSchema>, projectionWidth: number, where: string, fileName: string): ClipVisionConfig {
  const config: ClipVisionConfig = {
    width: v.hidden_size,
    layers: v.num_hidden_layers,
    heads: v.num_attention_heads,
    mlpWidth: v.intermediate_size,
    layerNormEps: v.layer_norm_eps,
    activation: v.hidden_act,
    imageSize: v.image_size,
    patchSize: v.patch_size,
    projectionWidth,
  };
  checkHeads(where, config, fileName);
  if (config.patchSize > config.imageSize) {
    throw new ConfigError("parseClipConfig", fileName, `${where}: expected patch_size to be at most image_size, got ${config.patchSize} and ${config.imageSize}`);
  }
  return config;
}

function checkHeads(where: string, { width, heads }: { readonly width: number; readonly heads: number }, fileName: string): void {
  if (width % heads !== 0) {
    throw new ConfigError("parseClipConfig", fileName, `${where}: expected hidden_size to be a multiple of num_attention_heads, got ${width} and ${heads}`);
  }
}
