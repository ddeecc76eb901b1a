import { readFile, stat } from "node:fs/promises";
import path from "node:path";
import { projectorFromCheckpoint, type Projector } from "@sightline/projector";
import { ConfigError, mmprojTowerName, parsePreprocessorConfig, parseSiglipConfig, checkImageSize, readCheckpointVision, siglipTowerTensors, type Normalization, type SiglipVisionConfig } from "@sightline/vision-tower";
import { WeightsError, type WeightSource } from "@sightline/weights";
import { SightlineError } from "../sightline-error.js";
import { projectorLayouts, type MmprojTensor, type ProjectorLayout } from "./projector-layouts.js";

/** Checkpoints of a SigLIP tower without a projector. */
export const siglipTypes: readonly string[] = ["siglip", "siglip_vision_model"];

/** A SigLIP tower of an open checkpoint, and its projector where it has one. */
export interface ModelSource {
  readonly vision: SiglipVisionConfig;
  readonly normalization: Pick<Normalization, "mean" | "std">;
  /** Whether the tower has a norm after its last block. */
  readonly postLayerNorm: boolean;
  /** Its tensors under the GGUF's names, of the first `layers` blocks, with the last norm where `postLayerNorm` says so. */
  readonly tensors: (layers: number, postLayerNorm: boolean) => readonly MmprojTensor[];
  /** Of a vision-language checkpoint. */
  readonly checkpoint?: { readonly layout: ProjectorLayout; readonly projector: Projector; readonly config: unknown; readonly processorConfig: unknown };
}

/** The `model_type` of a directory's config.json. Throws ConfigError when there is none that can be read. */
export async function modelTypeOf(directory: string): Promise<string> {
  const type: unknown = ((await readConfig(path.join(directory, "config.json"))) as Record<string, unknown> | null)?.["model_type"];
  return typeof type === "string" ? type : String(type);
}

/**
 * Reads what a Hugging Face directory says of its tower and projector; of weights, only headers.
 * @throws ConfigError, WeightsError or ProjectorError naming what does not fit; SightlineError `model-mismatch` for a model type
 *   that cannot be converted, listing those that can
 */
export async function readModelSource(directory: string, source: WeightSource, signal: AbortSignal | undefined): Promise<ModelSource> {
  const type = await modelTypeOf(directory);
  const layout = projectorLayouts.find(({ modelTypes }) => modelTypes.includes(type));
  if (layout) {
    const vision = await readCheckpointVision(directory, source, signal ? { signal } : {});
    return {
      vision: vision.config,
      normalization: vision.preprocessing,
      postLayerNorm: vision.postLayerNorm,
      tensors: (layers, norm) => towerTensors(source, siglipTowerTensors(layers, norm), vision.rename),
      checkpoint: { layout, projector: projectorFromCheckpoint(source, vision.modelConfig), config: vision.modelConfig, processorConfig: vision.processorConfig },
    };
  }
  if (!siglipTypes.includes(type)) {
    const known = [...siglipTypes, ...projectorLayouts.flatMap(({ modelTypes }) => modelTypes)].toSorted();
    throw new SightlineError("model-mismatch", `convert: ${path.join(directory, "config.json")}: model_type is ${JSON.stringify(type)}; an mmproj can be made of ${known.join(", ")}`);
  }
  const { vision, preprocessing } = await readSiglip(directory);
  return {
    vision,
    normalization: preprocessing,
    postLayerNorm: true,
    tensors: (layers, norm) => towerTensors(source, siglipTowerTensors(layers, norm), (name) => name),
  };
}

async function readSiglip(directory: string): Promise<{ readonly vision: SiglipVisionConfig; readonly preprocessing: ReturnType<typeof parsePreprocessorConfig> }> {
  const configFile = path.join(directory, "config.json");
  const whole = (await readConfig(configFile)) as { readonly model_type?: unknown };
  // A tower alone has the fields of the other kind's vision_config.
  const config = whole.model_type === "siglip" ? whole : { model_type: "siglip", vision_config: { ...whole, vision_use_head: false } };
  const { vision } = parseSiglipConfig(config, configFile);
  const processorFile = path.join(directory, "preprocessor_config.json");
  const preprocessing = parsePreprocessorConfig(await readConfig(processorFile), processorFile);
  checkImageSize(preprocessing, vision.imageSize, processorFile);
  return { vision, preprocessing };
}

async function readConfig(file: string): Promise<unknown> {
  const text = await readFile(file, "utf8").catch((cause: NodeJS.ErrnoException) => {
    throw new ConfigError("convert", file, cause.code === "ENOENT" ? "no such file; expected the whole directory of a Hugging Face checkpoint" : `cannot be read (${cause.code})`, { cause });
  });
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new ConfigError("convert", file, "is not valid JSON; download it again", { cause });
  }
}

function towerTensors(source: WeightSource, names: readonly string[], rename: (name: string) => string): MmprojTensor[] {
  return names.map((name) => {
    const stored = rename(name);
    const info = source.tensors.get(stored);
    if (!info) throw new WeightsError(`convert: ${source.path}: expected the tensor "${stored}" of the vision tower, got none; download the checkpoint again`);
    return { name: mmprojTowerName(name) as string, shape: info.shape, data: () => source.readFloat32(stored) };
  });
}

/** Whether a path is a directory. */
export async function isDirectory(where: string): Promise<boolean> {
  return (await stat(where).catch(() => undefined))?.isDirectory() === true;
}
