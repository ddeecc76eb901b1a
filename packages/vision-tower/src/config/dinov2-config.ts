import { z } from "zod";

import type { Dinov2Config } from "../models/dinov2.js";
import { ConfigError, invalidConfig } from "./config-error.js";
import { count, layers, normEps, unquantized } from "./model-dimensions.js";

const fields = {
  hidden_size: count.default(768),
  num_hidden_layers: layers.default(12),
  num_attention_heads: count.default(12),
  mlp_ratio: z.number().positive().max(64).default(4),
  hidden_act: z.literal("gelu").default("gelu"),
  layer_norm_eps: normEps.default(1e-6),
  image_size: count.default(224),
  num_channels: z.literal(3).default(3),
  qkv_bias: z.boolean().default(true),
  use_swiglu_ffn: z.boolean().default(false),
  quantization_config: unquantized,
};

// Defaults of transformers' Dinov2Config and Dinov2WithRegistersConfig.
const schema = z.discriminatedUnion("model_type", [
  z.object({ model_type: z.literal("dinov2"), ...fields, patch_size: count.default(14), num_register_tokens: z.literal(0).default(0) }),
  z.object({ model_type: z.literal("dinov2_with_registers"), ...fields, patch_size: count.default(16), num_register_tokens: z.int().min(0).max(1024).default(4) }),
]);

/**
 * Reads the value of a Hugging Face `config.json` with `model_type` "dinov2" or "dinov2_with_registers".
 *
 * @param value What `JSON.parse` gave.
 * @param fileName For errors only.
 * @returns `imageSize` is the one whose patches have the stored positions
 * @throws ConfigError naming the field, what is known and what stood there; also when two fields contradict each other.
 */
export function parseDinov2Config(value: unknown, fileName: string): Dinov2Config {
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw invalidConfig("parseDinov2Config", fileName, parsed.error, value);
  const c = parsed.data;
  if (c.hidden_size % c.num_attention_heads !== 0) {
    throw new ConfigError("parseDinov2Config", fileName, `expected hidden_size to be a multiple of num_attention_heads, got ${c.hidden_size} and ${c.num_attention_heads}`);
  }
  if (c.patch_size > c.image_size) {
    throw new ConfigError("parseDinov2Config", fileName, `expected patch_size to be at most image_size, got ${c.patch_size} and ${c.image_size}`);
  }
  const plain = Math.trunc(c.hidden_size * c.mlp_ratio);
  return {
    width: c.hidden_size,
    layers: c.num_hidden_layers,
    heads: c.num_attention_heads,
    // A gated MLP has two matrices in for one, so it takes two thirds of the width, made a multiple of 8.
    mlpWidth: c.use_swiglu_ffn ? Math.ceil(Math.trunc((plain * 2) / 3) / 8) * 8 : plain,
    layerNormEps: c.layer_norm_eps,
    imageSize: c.image_size,
    patchSize: c.patch_size,
    registers: c.num_register_tokens,
    qkvBias: c.qkv_bias,
    swiglu: c.use_swiglu_ffn,
  };
}
