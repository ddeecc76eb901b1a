import { z } from "zod";

import type { Eva02VisionConfig } from "../models/eva02-clip.js";
import { ConfigError, invalidConfig } from "./config-error.js";
import { count, layers } from "./model-dimensions.js";

/** timm's names of the EVA-02-CLIP towers that this package builds. Enormous is not among them: its blocks are others. */
export type Eva02Name = "eva02_base_patch16_clip_224" | "eva02_large_patch14_clip_224" | "eva02_large_patch14_clip_336";

interface Architecture {
  readonly img_size: number;
  readonly patch_size: number;
  readonly embed_dim: number;
  readonly depth: number;
  readonly num_heads: number;
}

const architectures: Readonly<Record<Eva02Name, Architecture>> = {
  eva02_base_patch16_clip_224: { img_size: 224, patch_size: 16, embed_dim: 768, depth: 12, num_heads: 12 },
  eva02_large_patch14_clip_224: { img_size: 224, patch_size: 14, embed_dim: 1024, depth: 24, num_heads: 16 },
  eva02_large_patch14_clip_336: { img_size: 336, patch_size: 14, embed_dim: 1024, depth: 24, num_heads: 16 },
};

export const eva02Names: readonly Eva02Name[] = Object.keys(architectures) as Eva02Name[];

/** All were trained to turn over the grid of 224 pixels at patch 14. */
const rotarySide = 16;
/** The default of timm's LayerNorm. */
const layerNormEps = 1e-6;
const mlpRatio = (4 * 2) / 3;

const argumentsSchema = z.object({
  model_args: z
    .strictObject({ img_size: count.max(8192).optional(), patch_size: count.optional(), embed_dim: count.optional(), depth: layers.optional(), num_heads: count.optional() })
    .default({}),
});

/**
 * The tower that a timm name stands for, with the `model_args` of the config.json beside it, where there are any.
 *
 * @param timm What `JSON.parse` gave for timm's config.json.
 * @throws ConfigError naming an argument that is not known
 */
export function eva02Architecture(name: Eva02Name, timm?: { readonly value: unknown; readonly fileName: string }): Omit<Eva02VisionConfig, "projectionWidth"> {
  const parsed = argumentsSchema.safeParse(timm?.value ?? {});
  if (!parsed.success) throw invalidConfig("eva02Architecture", timm?.fileName ?? name, parsed.error, timm?.value);
  const given = Object.fromEntries(Object.entries(parsed.data.model_args).filter(([, value]) => value !== undefined)) as Partial<Architecture>;
  const { img_size, patch_size, embed_dim, depth, num_heads } = { ...architectures[name], ...given };
  // Each half of a head's pairs turns along one axis of the grid.
  if (embed_dim % (4 * num_heads) !== 0) {
    throw new ConfigError("eva02Architecture", timm?.fileName ?? name, `model_args: expected embed_dim to be a multiple of 4 times num_heads, got ${embed_dim} and ${num_heads}`);
  }
  return {
    width: embed_dim,
    layers: depth,
    heads: num_heads,
    mlpWidth: Math.trunc(embed_dim * mlpRatio),
    layerNormEps,
    imageSize: img_size,
    patchSize: patch_size,
    rotarySide,
  };
}
