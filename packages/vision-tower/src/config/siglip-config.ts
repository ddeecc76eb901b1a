import { z } from "zod";

import type { SiglipTextConfig } from "../models/siglip-text.js";
import type { SiglipVisionConfig } from "../models/siglip-vision.js";
import type { NaflexVisionConfig } from "../models/siglip2-naflex.js";
import type { EncoderConfig } from "../models/transformer-block.js";
import { ConfigError, invalidConfig } from "./config-error.js";

/** Both towers of a SigLIP model with one fixed resolution (SigLIP, and SigLIP 2 without NaFlex). */
export interface SiglipConfig {
  readonly vision: SiglipVisionConfig;
  readonly text: SiglipTextConfig;
  /** Whether the vision tower has its attention-pooling head; without it there are patch tokens only. */
  readonly poolingHead: boolean;
}

/** Both towers of a SigLIP 2 NaFlex model. */
export interface Siglip2Config {
  readonly vision: NaflexVisionConfig;
  readonly text: SiglipTextConfig;
  /** As in `SiglipConfig`. */
  readonly poolingHead: boolean;
}

/** Far beyond every published model, and small enough that a product of two is a safe integer. */
const count = z.int().min(1).max(2 ** 24);

// Published files leave out what equals transformers' defaults, so the defaults here are those of its SiglipVisionConfig
// and SiglipTextConfig (google/siglip-base-patch16-224), and of their Siglip2 twins, which are the same.
const encoderFields = {
  hidden_size: count.default(768),
  num_hidden_layers: z.int().min(1).max(1024).default(12),
  num_attention_heads: count.default(12),
  intermediate_size: count.default(3072),
  hidden_act: z.literal("gelu_pytorch_tanh").default("gelu_pytorch_tanh"),
  layer_norm_eps: z.number().positive().max(1).default(1e-6),
};

const visionFields = {
  ...encoderFields,
  patch_size: count.default(16),
  num_channels: z.literal(3).default(3),
  vision_use_head: z.boolean().default(true),
};

const textSchema = z.object({
  ...encoderFields,
  vocab_size: count.default(32000),
  max_position_embeddings: count.default(64),
  projection_size: count.nullish(),
});

const schema = z.object({
  model_type: z.literal("siglip", { error: 'expected "siglip" (one fixed resolution; of SigLIP 2, all but NaFlex)' }),
  vision_config: z.preprocess((value) => value ?? {}, z.object({ ...visionFields, image_size: count.default(224) })),
  text_config: z.preprocess((value) => value ?? {}, textSchema),
});

const naflexSchema = z.object({
  model_type: z.literal("siglip2", { error: 'expected "siglip2" (NaFlex)' }),
  vision_config: z.preprocess((value) => value ?? {}, z.object({ ...visionFields, num_patches: count.default(256) })),
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
  const vision = { ...encoderConfig(v), imageSize: v.image_size, patchSize: v.patch_size };
  const config = { vision, text: textConfig(t), poolingHead: v.vision_use_head };
  checkAgreement("parseSiglipConfig", config, fileName);
  if (vision.patchSize > vision.imageSize) {
    throw new ConfigError("parseSiglipConfig", fileName, `vision_config: expected patch_size to be at most image_size, got ${vision.patchSize} and ${vision.imageSize}`);
  }
  return config;
}

/**
 * As `parseSiglipConfig`, for `model_type: "siglip2"`, which is NaFlex.
 *
 * @throws ConfigError likewise.
 */
export function parseSiglip2Config(value: unknown, fileName: string): Siglip2Config {
  const parsed = naflexSchema.safeParse(value);
  if (!parsed.success) throw invalidConfig("parseSiglip2Config", fileName, parsed.error, value);
  const { vision_config: v, text_config: t } = parsed.data;
  const positionSide = Math.sqrt(v.num_patches);
  if (!Number.isInteger(positionSide)) {
    throw new ConfigError("parseSiglip2Config", fileName, `vision_config.num_patches: expected a square number, because positions lie in a square grid, got ${v.num_patches}`);
  }
  const vision = { ...encoderConfig(v), patchSize: v.patch_size, positionSide };
  const config = { vision, text: textConfig(t), poolingHead: v.vision_use_head };
  checkAgreement("parseSiglip2Config", config, fileName);
  return config;
}

function encoderConfig(fields: z.infer<z.ZodObject<typeof encoderFields>>): EncoderConfig {
  return {
    width: fields.hidden_size,
    layers: fields.num_hidden_layers,
    heads: fields.num_attention_heads,
    mlpWidth: fields.intermediate_size,
    layerNormEps: fields.layer_norm_eps,
  };
}

function textConfig(fields: z.infer<typeof textSchema>): SiglipTextConfig {
  return {
    ...encoderConfig(fields),
    vocabularySize: fields.vocab_size,
    maxTokens: fields.max_position_embeddings,
    projectionWidth: fields.projection_size ?? fields.hidden_size,
  };
}

function checkAgreement(where: string, { vision, text, poolingHead }: SiglipConfig | Siglip2Config, fileName: string): void {
  const fail = (problem: string): never => {
    throw new ConfigError(where, fileName, problem);
  };
  for (const [name, { width, heads }] of [["vision_config", vision], ["text_config", text]] as const) {
    if (width % heads !== 0) fail(`${name}: expected hidden_size to be a multiple of num_attention_heads, got ${width} and ${heads}`);
  }
  if (poolingHead && text.projectionWidth !== vision.width) {
    fail(`expected text_config.projection_size to be vision_config.hidden_size, so that both embeddings have one width, got ${text.projectionWidth} and ${vision.width}`);
  }
}
