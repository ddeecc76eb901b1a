import { z } from "zod";

import type { SiglipTextConfig } from "../models/siglip-text.js";
import type { SiglipVisionConfig } from "../models/siglip-vision.js";
import { ConfigError, invalidConfig } from "./config-error.js";

/** Both towers of a SigLIP model with one fixed resolution (SigLIP, and SigLIP 2 without NaFlex). */
export interface SiglipConfig {
  readonly vision: SiglipVisionConfig;
  readonly text: SiglipTextConfig;
  /** Whether the vision tower has its attention-pooling head; without it there are patch tokens only. */
  readonly poolingHead: boolean;
}

/** Far beyond every published model, and small enough that a product of two is a safe integer. */
const count = z.int().min(1).max(2 ** 24);
const layers = z.int().min(1).max(1024);
const act = z.literal("gelu_pytorch_tanh").default("gelu_pytorch_tanh");
const eps = z.number().positive().max(1).default(1e-6);

// Published files leave out what equals transformers' defaults, so the defaults here are those of its
// SiglipVisionConfig and SiglipTextConfig: google/siglip-base-patch16-224.
const visionSchema = z.object({
  hidden_size: count.default(768),
  num_hidden_layers: layers.default(12),
  num_attention_heads: count.default(12),
  intermediate_size: count.default(3072),
  image_size: count.default(224),
  patch_size: count.default(16),
  num_channels: z.literal(3).default(3),
  hidden_act: act,
  layer_norm_eps: eps,
  vision_use_head: z.boolean().default(true),
});

const textSchema = z.object({
  hidden_size: count.default(768),
  num_hidden_layers: layers.default(12),
  num_attention_heads: count.default(12),
  intermediate_size: count.default(3072),
  vocab_size: count.default(32000),
  max_position_embeddings: count.default(64),
  projection_size: count.nullish(),
  hidden_act: act,
  layer_norm_eps: eps,
});

const schema = z.object({
  model_type: z.literal("siglip", { error: 'expected "siglip" (one fixed resolution; of SigLIP 2, all but NaFlex)' }),
  vision_config: z.preprocess((value) => value ?? {}, visionSchema),
  text_config: z.preprocess((value) => value ?? {}, textSchema),
});

/**
 * Reads the value of a Hugging Face `config.json` with `model_type: "siglip"`.
 *
 * @param value What `JSON.parse` gave.
 * @param fileName For errors only.
 * @throws ConfigError naming the field, what is known and what stood there; also when two fields contradict each other.
 */
export function parseSiglipConfig(value: unknown, fileName: string): SiglipConfig {
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw invalidConfig("parseSiglipConfig", fileName, parsed.error, value);
  const { vision_config: v, text_config: t } = parsed.data;

  const config: SiglipConfig = {
    vision: {
      width: v.hidden_size,
      layers: v.num_hidden_layers,
      heads: v.num_attention_heads,
      mlpWidth: v.intermediate_size,
      layerNormEps: v.layer_norm_eps,
      imageSize: v.image_size,
      patchSize: v.patch_size,
    },
    text: {
      width: t.hidden_size,
      layers: t.num_hidden_layers,
      heads: t.num_attention_heads,
      mlpWidth: t.intermediate_size,
      layerNormEps: t.layer_norm_eps,
      vocabularySize: t.vocab_size,
      maxTokens: t.max_position_embeddings,
      projectionWidth: t.projection_size ?? t.hidden_size,
    },
    poolingHead: v.vision_use_head,
  };
  checkAgreement(config, fileName);
  return config;
}

function checkAgreement({ vision, text, poolingHead }: SiglipConfig, fileName: string): void {
  const fail = (problem: string): never => {
    throw new ConfigError("parseSiglipConfig", fileName, problem);
  };
  for (const [name, { width, heads }] of [["vision_config", vision], ["text_config", text]] as const) {
    if (width % heads !== 0) fail(`${name}: expected hidden_size to be a multiple of num_attention_heads, got ${width} and ${heads}`);
  }
  if (vision.patchSize > vision.imageSize) {
    fail(`vision_config: expected patch_size to be at most image_size, got ${vision.patchSize} and ${vision.imageSize}`);
  }
  if (poolingHead && text.projectionWidth !== vision.width) {
    fail(`expected text_config.projection_size to be vision_config.hidden_size, so that both embeddings have one width, got ${text.projectionWidth} and ${vision.width}`);
  }
}
