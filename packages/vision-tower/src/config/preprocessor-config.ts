import { z } from "zod";

import { maxPatchesLimit, type NaflexPreprocessing } from "../pixels/naflex.js";
import type { Normalization } from "../pixels/normalize.js";
import type { Preprocessing } from "../pixels/preprocess.js";
import type { ResampleFilter } from "../pixels/resample-filter.js";
import { ConfigError, invalidConfig } from "./config-error.js";

/** Pillow's numbers for its filters. */
const filters: Readonly<Record<1 | 2 | 3, ResampleFilter>> = { 1: "lanczos", 2: "bilinear", 3: "bicubic" };

const side = z.int().min(1).max(8192);
const perChannel = z.tuple([z.number(), z.number(), z.number()]);
const positive = z.number().positive();

/** What both processors have; the numbers are defaults of transformers' SiglipImageProcessor and Siglip2ImageProcessor. */
const commonFields = {
  do_resize: z.boolean().default(true),
  do_rescale: z.boolean().default(true),
  rescale_factor: positive.default(1 / 255),
  do_normalize: z.boolean().default(true),
  image_mean: perChannel.default([0.5, 0.5, 0.5]),
  image_std: z.tuple([positive, positive, positive]).default([0.5, 0.5, 0.5]),
  do_center_crop: z.literal(false, { error: "expected false (SigLIP never crops)" }).nullish(),
};
const resample = z.literal([1, 2, 3], { error: "expected 1 (Lanczos), 2 (bilinear) or 3 (bicubic)" });

const schema = z.object({
  ...commonFields,
  size: z.union([side, z.object({ height: side, width: side })], { error: "expected {height, width} or one number (SigLIP squashes images and never crops)" }).default(224),
  resample: resample.default(3),
  max_num_patches: z.undefined({ error: 'expected none: this is a NaFlex processor, which goes with model_type "siglip2"' }).optional(),
});

const naflexSchema = z.object({
  ...commonFields,
  resample: resample.default(2),
  patch_size: z.int().min(1).max(1024).default(16),
  max_num_patches: z.int().min(1).max(maxPatchesLimit).default(256),
  size: z.null({ error: 'expected none: this processor makes images of one size, which goes with model_type "siglip"' }).optional(),
});

/**
 * Reads the value of a Hugging Face `preprocessor_config.json` of a SigLIP checkpoint of one fixed resolution.
 *
 * @param value What `JSON.parse` gave.
 * @param fileName For errors only.
 * @throws ConfigError naming the field, what is known and what stood there.
 */
export function parsePreprocessorConfig(value: unknown, fileName: string): Preprocessing {
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw invalidConfig("parsePreprocessorConfig", fileName, parsed.error, value);
  const config = parsed.data;
  const { height, width } = typeof config.size === "number" ? { height: config.size, width: config.size } : config.size;
  return { width, height, filter: config.do_resize ? filters[config.resample] : null, ...normalization(config) };
}

/**
 * As `parsePreprocessorConfig`, for a SigLIP 2 NaFlex checkpoint.
 *
 * @throws ConfigError likewise.
 */
export function parseNaflexPreprocessorConfig(value: unknown, fileName: string): NaflexPreprocessing {
  const parsed = naflexSchema.safeParse(value);
  if (!parsed.success) throw invalidConfig("parseNaflexPreprocessorConfig", fileName, parsed.error, value);
  const config = parsed.data;
  return {
    patchSize: config.patch_size,
    maxPatches: config.max_num_patches,
    filter: config.do_resize ? filters[config.resample] : null,
    ...normalization(config),
  };
}

function normalization(config: z.infer<z.ZodObject<typeof commonFields>>): Normalization {
  return {
    rescale: config.do_rescale ? config.rescale_factor : 1,
    mean: config.do_normalize ? config.image_mean : [0, 0, 0],
    std: config.do_normalize ? config.image_std : [1, 1, 1],
  };
}

/**
 * Checks that the images which a preprocessor makes are those that the tower's positions were trained on.
 *
 * @throws ConfigError naming both sizes.
 */
export function checkImageSize({ width, height }: Preprocessing, imageSize: number, fileName: string): void {
  if (width !== imageSize || height !== imageSize) {
    throw new ConfigError("checkImageSize", fileName, `expected size to be the tower's ${imageSize}x${imageSize}, got ${width}x${height}; take both files from one checkpoint`);
  }
}
