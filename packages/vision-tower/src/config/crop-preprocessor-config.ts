import { z } from "zod";

import type { CropPreprocessing } from "../pixels/resize-crop.js";
import type { ResampleFilter } from "../pixels/resample-filter.js";
import { ConfigError, invalidConfig } from "./config-error.js";

/** Pillow's numbers for its filters. */
const filters: Readonly<Record<1 | 2 | 3, ResampleFilter>> = { 1: "lanczos", 2: "bilinear", 3: "bicubic" };

const side = z.int().min(1).max(8192);
const rectangle = z.strictObject({ height: side, width: side });
const positive = z.number().positive();

/** The normalisation of OpenAI's CLIP, which LAION's and EVA's took over. */
export const clipMean: [number, number, number] = [0.48145466, 0.4578275, 0.40821073];
export const clipStd: [number, number, number] = [0.26862954, 0.26130258, 0.27577711];

// Defaults of transformers' CLIPImageProcessor and BitImageProcessor, which are the same.
const schema = z.object({
  do_resize: z.boolean().default(true),
  size: z.union([side, z.strictObject({ shortest_edge: side }), rectangle], { error: "expected {shortest_edge}, {height, width} or one number" }).default(224),
  resample: z.literal([1, 2, 3], { error: "expected 1 (Lanczos), 2 (bilinear) or 3 (bicubic)" }).default(3),
  do_center_crop: z.boolean().default(true),
  crop_size: z.union([side, rectangle], { error: "expected {height, width} or one number" }).default(224),
  do_rescale: z.boolean().default(true),
  rescale_factor: positive.default(1 / 255),
  do_normalize: z.boolean().default(true),
  image_mean: z.tuple([z.number(), z.number(), z.number()]).default(clipMean),
  image_std: z.tuple([positive, positive, positive]).default(clipStd),
  do_pad: z.literal(false, { error: "expected false (images are cropped, not padded)" }).nullish(),
});

/**
 * Reads the value of a Hugging Face `preprocessor_config.json` of CLIPImageProcessor or BitImageProcessor.
 *
 * @param value What `JSON.parse` gave.
 * @param fileName For errors only.
 * @throws ConfigError naming the field, what is known and what stood there; also for images that would not be square
 */
export function parseCropPreprocessorConfig(value: unknown, fileName: string): CropPreprocessing {
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw invalidConfig("parseCropPreprocessorConfig", fileName, parsed.error, value);
  const config = parsed.data;
  const squareSide = (field: string, size: number | z.infer<typeof rectangle>): number => {
    if (typeof size === "number" || size.height === size.width) return typeof size === "number" ? size : size.height;
    throw new ConfigError("parseCropPreprocessorConfig", fileName, `${field}: expected a square, got ${size.width}x${size.height}`);
  };
  const shape = typeof config.size === "object" && "height" in config.size ? config.size : undefined;
  if (!config.do_center_crop && !(config.do_resize && shape)) {
    throw new ConfigError("parseCropPreprocessorConfig", fileName, "do_center_crop: expected true, or a size of {height, width} that images are resized to; else they have no one size");
  }
  const edge = shape ? squareSide("size", shape) : typeof config.size === "number" ? config.size : (config.size as { shortest_edge: number }).shortest_edge;
  return {
    side: config.do_center_crop ? squareSide("crop_size", config.crop_size) : edge,
    resize: config.do_resize ? { mode: shape ? "squash" : "shortest", edge, filter: filters[config.resample] } : null,
    halfPixel: "down",
    rescale: config.do_rescale ? config.rescale_factor : 1,
    mean: config.do_normalize ? config.image_mean : [0, 0, 0],
    std: config.do_normalize ? config.image_std : [1, 1, 1],
  };
}
