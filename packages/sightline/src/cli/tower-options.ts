import type { LoadOptions, Precision, Siglip } from "@sightline/vision-tower";
import { Option, type Command } from "commander";
import { loadSiglip } from "../models/load-siglip.js";
import { wholeNumber } from "./option-values.js";
import { pullIfNamed } from "./pull-progress.js";

/** Options of every command that runs a SigLIP tower. */
export interface TowerOptions {
  readonly model: string;
  readonly pull?: boolean;
  readonly device: NonNullable<LoadOptions["device"]>;
  readonly precision: Precision;
  readonly threads?: number;
  readonly imageSize?: number;
  readonly maxPatches?: number;
}

/**
 * Adds the options that choose a tower and say how it runs.
 * @param usualModel what the help says of a command that has another model than mini when none is named
 */
export function withTowerOptions(command: Command, usualModel: string = "mini"): Command {
  return command
    .addOption(new Option("--model <name|path>", '"mini", a folder with a SigLIP checkpoint, or a model that was pulled into the Hugging Face cache, by its name or hub name').default("mini", usualModel))
    .option("--pull", "download the model first where it is not here")
    .addOption(new Option("--device <name>", "where the tower runs; `sightline doctor` says what this machine has").choices(["cpu", "webgpu", "cuda", "tensorrt", "auto"]).default("cpu"))
    .addOption(new Option("--precision <name>", "of the vision tower; auto: the fastest that agrees with float32").choices(["float32", "float16", "int8", "auto"]).default("float32"))
    .option("--threads <n>", "threads of one operation (all cores)", wholeNumber(1))
    .option("--image-size <pixels>", "another resolution than the checkpoint's, on interpolated positions", wholeNumber(1))
    .option("--max-patches <n>", "the most patches that a NaFlex checkpoint gives an image", wholeNumber(1));
}

/** Opens the SigLIP that the options of `withTowerOptions` name. */
export async function openSiglip({ model, pull, ...options }: TowerOptions, more: Pick<LoadOptions, "towers"> & { readonly signal: AbortSignal }): Promise<Siglip> {
  if (pull) await pullIfNamed(model, more.signal);
  const { device, precision, threads, imageSize, maxPatches } = options;
  return loadSiglip(model, {
    device,
    precision,
    ...(threads === undefined ? {} : { threads }),
    ...(imageSize === undefined ? {} : { imageSize }),
    ...(maxPatches === undefined ? {} : { maxPatches }),
    ...more,
  });
}

/** What of the options changes embeddings, for a run that goes on later. */
export function embeddingSettings({ device, precision, imageSize, maxPatches }: TowerOptions): Record<string, string> {
  return {
    device,
    precision,
    ...(imageSize === undefined ? {} : { imageSize: String(imageSize) }),
    ...(maxPatches === undefined ? {} : { maxPatches: String(maxPatches) }),
  };
}
