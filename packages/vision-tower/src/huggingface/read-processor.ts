import { existsSync } from "node:fs";
import path from "node:path";
import { z } from "zod";
import { invalidConfig } from "../config/config-error.js";
import { readJson } from "../config/read-json.js";
import type { Preprocessing } from "../pixels/preprocess.js";
import type { ResampleFilter } from "../pixels/resample-filter.js";

/** What transformers' processor of a model takes for a field that its file leaves out, and the tower's square. */
export interface ProcessorDefaults {
  /** Pixels. */
  readonly side: number;
  readonly filter: ResampleFilter;
  readonly mean: readonly [number, number, number];
  readonly std: readonly [number, number, number];
}

const filters: Readonly<Record<1 | 2 | 3, ResampleFilter>> = { 1: "lanczos", 2: "bilinear", 3: "bicubic" };
const perChannel = z.tuple([z.number(), z.number(), z.number()]);
const positive = z.number().positive();
const processorSchema = z.object({
  resample: z.literal([1, 2, 3], { error: "expected 1 (Lanczos), 2 (bilinear) or 3 (bicubic)" }).nullish(),
  rescale_factor: positive.nullish(),
  image_mean: perChannel.nullish(),
  image_std: z.tuple([positive, positive, positive]).nullish(),
});

/**
 * Reads how a vision-language checkpoint prepares its pixels, from preprocessor_config.json or processor_config.json.
 * @throws ConfigError naming the file and the field
 */
export async function readProcessor(directory: string, { side, filter, mean, std }: ProcessorDefaults, signal: AbortSignal | undefined): Promise<{ readonly processorConfig: unknown; readonly preprocessing: Preprocessing }> {
  const own = path.join(directory, "preprocessor_config.json");
  const joint = path.join(directory, "processor_config.json");
  const nested = !existsSync(own) && existsSync(joint);
  const file = nested ? joint : own;
  const whole = await readJson(file, signal);
  const processorConfig: unknown = nested && typeof whole === "object" && whole !== null ? Reflect.get(whole, "image_processor") : whole;
  const parsed = processorSchema.safeParse(processorConfig);
  if (!parsed.success) throw invalidConfig("readProcessor", file, parsed.error, processorConfig);
  const { resample, rescale_factor, image_mean, image_std } = parsed.data;
  return {
    processorConfig,
    preprocessing: {
      width: side,
      height: side,
      filter: resample ? filters[resample] : filter,
      rescale: rescale_factor ?? 1 / 255,
      mean: image_mean ?? mean,
      std: image_std ?? std,
    },
  };
}
