import { z } from "zod";

import type { ClipTextConfig, ClipVisionConfig } from "../models/clip.js";
import type { Eva02VisionConfig } from "../models/eva02-clip.js";
import type { CropPreprocessing } from "../pixels/resize-crop.js";
import { ConfigError, invalidConfig } from "./config-error.js";
import { clipMean, clipStd } from "./crop-preprocessor-config.js";
import { eva02Architecture, eva02Names } from "./eva02-architectures.js";
import { count, layers } from "./model-dimensions.js";

/** What an open_clip_config.json says: open_clip's own ViT, or timm's EVA-02, beside open_clip's text tower. */
export interface OpenClipConfig {
  readonly vision: { readonly kind: "vit"; readonly config: ClipVisionConfig } | { readonly kind: "eva02"; readonly config: Eva02VisionConfig };
  readonly text: ClipTextConfig;
  readonly preprocessing: CropPreprocessing;
}

/** Fields that change the computation, with the one value of them that is known; null and absence are the default. */
const only = <T extends string | number | boolean>(value: T): z.ZodOptional<z.ZodNullable<z.ZodLiteral<T>>> => z.literal(value).nullish();
const none = z.null().optional();
const attentionOptions = { block_type: only("default"), qk_norm: only(false), scaled_cosine_attn: only(false), scale_heads: only(false), scale_attn_inner: only(false), scale_attn: only(false), scale_fc: only(false) };
const normOptions = z.strictObject({ eps: z.number().positive().max(1) }).nullish();
const ratio = z.number().positive().max(64);
const square = count.max(8192);

// Names and defaults of open_clip's CLIPVisionCfg and CLIPTextCfg.
const vitSchema = z.strictObject({
  image_size: square.default(224),
  layers: layers.default(12),
  width: count.default(768),
  head_width: count.default(64),
  mlp_ratio: ratio.default(4),
  patch_size: count.default(16),
  patch_dropout: z.number().optional(),
  ls_init_value: none,
  attentional_pool: only(false),
  attn_pooler_queries: z.int().optional(),
  attn_pooler_heads: z.int().optional(),
  no_ln_pre: only(false),
  pos_embed_type: only("learnable"),
  final_ln_after_pool: only(false),
  pool_type: only("tok"),
  output_tokens: z.boolean().optional(),
  act_kwargs: none,
  norm_kwargs: normOptions,
  timm_model_name: none,
  ...attentionOptions,
});

const timmSchema = z.strictObject({
  image_size: square.default(224),
  timm_model_name: z.literal(eva02Names),
  timm_model_pretrained: z.boolean().optional(),
  timm_pool: z.literal("token"),
  timm_proj: z.union([z.null(), z.literal("")]),
  timm_proj_bias: z.boolean().optional(),
  timm_drop: z.number().optional(),
  timm_drop_path: z.number().nullish(),
  patch_dropout: z.number().optional(),
});

const textSchema = z.strictObject({
  context_length: count.min(2).max(2 ** 14).default(77),
  vocab_size: count.default(49408),
  width: count.default(512),
  heads: count.default(8),
  layers: layers.default(12),
  mlp_ratio: ratio.default(4),
  hf_tokenizer_name: z.string().nullish(),
  tokenizer_mode: z.string().nullish(),
  tokenizer_kwargs: z.unknown().optional(),
  ls_init_value: none,
  embed_cls: only(false),
  pad_id: z.int().optional(),
  eos_id: z.int().optional(),
  no_causal_mask: only(false),
  final_ln_after_pool: only(false),
  pool_type: only("argmax"),
  proj_bias: only(false),
  proj_type: only("linear"),
  output_tokens: z.boolean().optional(),
  act_kwargs: none,
  norm_kwargs: normOptions,
  hf_model_name: none,
  hf_model_pretrained: z.boolean().optional(),
  ...attentionOptions,
});

/** Of open_clip's own norms; timm's have another. */
const layerNormEps = 1e-5;

const triple = z.tuple([z.number(), z.number(), z.number()]);
const preprocessSchema = z.object({
  size: z.union([square, z.tuple([square, square])]).optional(),
  mode: only("RGB"),
  mean: triple.default(clipMean),
  std: z.tuple([z.number().positive(), z.number().positive(), z.number().positive()]).default(clipStd),
  interpolation: z.literal(["bicubic", "bilinear"]).default("bicubic"),
  resize_mode: z.literal(["shortest", "squash"]).default("shortest"),
});

/** The whole file, for one kind of vision tower. Of preprocess_cfg, open_clip itself lets the tower's own image_size overrule `size`. */
const documentOf = <V extends z.ZodType>(vision: V) =>
  z.object({
    model_cfg: z.object({ embed_dim: count, quick_gelu: z.boolean().default(false), vision_cfg: vision, text_cfg: textSchema }),
    preprocess_cfg: preprocessSchema.prefault({}),
  });
const vitDocument = documentOf(vitSchema);
const timmDocument = documentOf(timmSchema);
const probe = z.object({ model_cfg: z.object({ vision_cfg: z.object({ timm_model_name: z.string() }) }) });

/**
 * Reads the value of an `open_clip_config.json`.
 *
 * @param value What `JSON.parse` gave.
 * @param fileName For errors only.
 * @param timm The config.json beside it, where there is one: timm keeps there what differs from the named architecture.
 * @throws ConfigError naming the field, what is known and what stood there; also when two fields contradict each other.
 */
export function parseOpenClipConfig(value: unknown, fileName: string, timm?: { readonly value: unknown; readonly fileName: string }): OpenClipConfig {
  if (probe.safeParse(value).success) {
    const { model_cfg, preprocess_cfg } = checked(timmDocument, value, fileName);
    return assembled({ kind: "eva02", config: eva02Config(model_cfg, fileName, timm) }, model_cfg, preprocess_cfg, fileName);
  }
  const { model_cfg, preprocess_cfg } = checked(vitDocument, value, fileName);
  return assembled({ kind: "vit", config: vitConfig(model_cfg, fileName) }, model_cfg, preprocess_cfg, fileName);
}

function checked<T extends z.ZodType>(schema: T, value: unknown, fileName: string): z.infer<T> {
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw invalidConfig("parseOpenClipConfig", fileName, parsed.error, value);
  return parsed.data;
}

function fail(fileName: string, problem: string): never {
  throw new ConfigError("parseOpenClipConfig", fileName, problem);
}

function vitConfig({ embed_dim, quick_gelu, vision_cfg: v }: z.infer<typeof vitDocument>["model_cfg"], fileName: string): ClipVisionConfig {
  if (v.width % v.head_width !== 0) fail(fileName, `model_cfg.vision_cfg: expected width to be a multiple of head_width, got ${v.width} and ${v.head_width}`);
  if (v.patch_size > v.image_size) fail(fileName, `model_cfg.vision_cfg: expected patch_size to be at most image_size, got ${v.patch_size} and ${v.image_size}`);
  return {
    width: v.width,
    layers: v.layers,
    heads: v.width / v.head_width,
    mlpWidth: Math.trunc(v.width * v.mlp_ratio),
    layerNormEps: v.norm_kwargs?.eps ?? layerNormEps,
    activation: quick_gelu ? "quick_gelu" : "gelu",
    imageSize: v.image_size,
    patchSize: v.patch_size,
    projectionWidth: embed_dim,
  };
}

function eva02Config({ embed_dim, vision_cfg: v }: z.infer<typeof timmDocument>["model_cfg"], fileName: string, timm: { readonly value: unknown; readonly fileName: string } | undefined): Eva02VisionConfig {
  const config = eva02Architecture(v.timm_model_name, timm);
  if (config.imageSize !== v.image_size) fail(fileName, `model_cfg.vision_cfg.image_size: expected ${config.imageSize}, which ${v.timm_model_name} has, got ${v.image_size}`);
  return { ...config, projectionWidth: embed_dim };
}

function assembled(
  vision: OpenClipConfig["vision"],
  { embed_dim, quick_gelu, text_cfg: t }: Omit<z.infer<typeof vitDocument>["model_cfg"], "vision_cfg">,
  p: z.infer<typeof preprocessSchema>,
  fileName: string,
): OpenClipConfig {
  if (t.width % t.heads !== 0) fail(fileName, `model_cfg.text_cfg: expected width to be a multiple of heads, got ${t.width} and ${t.heads}`);
  const { imageSize } = vision.config;
  return {
    vision,
    text: {
      width: t.width,
      layers: t.layers,
      heads: t.heads,
      mlpWidth: Math.trunc(t.width * t.mlp_ratio),
      layerNormEps: t.norm_kwargs?.eps ?? layerNormEps,
      activation: quick_gelu ? "quick_gelu" : "gelu",
      vocabularySize: t.vocab_size,
      maxTokens: t.context_length,
      projectionWidth: embed_dim,
      endId: undefined,
    },
    preprocessing: {
      side: imageSize,
      resize: { mode: p.resize_mode, edge: imageSize, filter: p.interpolation },
      halfPixel: "even",
      rescale: 1 / 255,
      mean: p.mean,
      std: p.std,
    },
  };
}
