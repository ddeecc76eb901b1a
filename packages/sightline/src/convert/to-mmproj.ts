import path from "node:path";
import { openWeights, readGgufMetadata, WeightsError, writeGguf, type GgufValue, type TensorToWrite, type WeightSource } from "@sightline/weights";
import { ggufKind } from "../models/gguf-kind.js";
import { siglipDirectory } from "../models/siglip-directory.js";
import { writeMmproj } from "../models/write-mmproj.js";
import { SightlineError } from "../sightline-error.js";
import { watchedTensors, type ConversionOptions } from "./conversion-progress.js";
import { keptMmproj, type WholeMmproj } from "./kept-mmproj.js";
import { fileTypes, storedType, type MmprojType } from "./mmproj-type.js";
import { isDirectory, readModelSource, type ModelSource } from "./model-source.js";
import { checkOutput } from "./place-output.js";
import { projectorLayouts, projectorTensors, type MmprojTensor, type ProjectorLayout } from "./projector-layouts.js";

export interface ConvertToMmprojOptions extends ConversionOptions {
  /** A .gguf file. */
  readonly out: string;
  /** How matrices are stored. When left out, "F16", as llama.cpp's files mostly are; or as they are in what is an mmproj already. */
  readonly type?: MmprojType;
  /**
   * The projector for a SigLIP checkpoint: a safetensors file or directory, or an mmproj GGUF, whose tower is left out. A
   * vision-language checkpoint has its own.
   */
  readonly projector?: string;
  /**
   * What the projector reads, for a projector that may read either: a block counted from 1, or back from -1, the last, as
   * transformers' `vision_feature_layer` has it; or "normed", the last block behind the tower's last norm. Left out where the
   * projector's file says it.
   */
  readonly featureLayer?: number | "normed";
}

/**
 * Writes a vision tower and its projector as an mmproj GGUF, for llama.cpp and for a chat here. Names, shapes, types and
 * values are those of llama.cpp's convert_hf_to_gguf.py --mmproj (v0.4.0) where that converter knows the model (Gemma 3,
 * Idefics3, SmolVLM); those of its older script for LLaVA with SigLIP; `linear` (PaliGemma) is this project's own.
 *
 * What `convertToSafetensors` wrote becomes the mmproj that it came from, byte for byte; with a type, it and an mmproj GGUF
 * become one whose matrices have that type.
 * @param model a Hugging Face directory, a name in its cache, or "mini"; what `convertToSafetensors` wrote; or an mmproj GGUF
 * @throws ConfigError, WeightsError or ProjectorError naming what does not fit; SightlineError `model-mismatch` for a model
 *   type that is not known or a projector that does not fit the tower, `output-exists`; the signal's reason
 */
export async function convertToMmproj(model: string, options: ConvertToMmprojOptions): Promise<void> {
  const { out, overwrite = false, signal } = options;
  const where = await siglipDirectory(model);
  await checkOutput(out, where, overwrite);
  await using source = await openWeights(where);
  const whole = options.projector === undefined ? await wholeMmproj(where, source) : undefined;
  if (whole) {
    if (options.featureLayer !== undefined) throw new SightlineError("bad-input", `convert: ${model}: is a whole mmproj, which says itself what its projector reads; expected no feature layer to be named`);
    const { metadata, tensors } = options.type === undefined ? whole : storedAs(whole, options.type);
    await writeGguf(out, { metadata, tensors: watchedTensors(tensors, options) });
    return;
  }
  if (!(await isDirectory(where))) throw new WeightsError(`convert: ${model}: expected the directory of a Hugging Face checkpoint, with its config.json, got a file`);
  const read = await readModelSource(where, source, signal);
  const name = path.basename(path.resolve(where));
  if (read.checkpoint) {
    await writeCheckpoint(read, read.checkpoint, source, name, options);
    return;
  }
  if (options.projector === undefined) throw new SightlineError("bad-input", `convert: ${model}: is a vision tower alone; an mmproj needs a projector too: name its file with --projector`);
  await using projector = await openWeights(options.projector);
  await writeWithProjector(read, projector, name, options);
}

/** The mmproj that the input is, or was before it was written as safetensors. */
async function wholeMmproj(where: string, source: WeightSource): Promise<WholeMmproj | undefined> {
  if (source.format === "safetensors") return keptMmproj(source);
  const { kind, words } = ggufKind(source);
  if (kind !== "mmproj") throw new SightlineError("model-mismatch", `convert: ${where}: expected a Hugging Face checkpoint or an mmproj, got ${words}`);
  const tensors = [...source.tensors.values()].map(({ name, dtype, shape }): TensorToWrite => ({ name, dtype, shape, data: () => source.readBytes(name) }));
  return { metadata: await readGgufMetadata(where), tensors, readFloat32: (name) => source.readFloat32(name) };
}

/** The same with its matrices in another type, as if a checkpoint of these values had been converted to that. */
function storedAs({ metadata, tensors, readFloat32 }: WholeMmproj, type: MmprojType): Pick<WholeMmproj, "metadata" | "tensors"> {
  const projector = metadata.get("clip.projector_type")?.value;
  const exactKernel = projectorLayouts.find((layout) => layout.type === projector)?.exactKernel ?? true;
  return {
    metadata: new Map([...metadata, ["general.file_type", { type: "uint32", value: fileTypes[type] }]]),
    tensors: tensors.map((tensor) => {
      const dtype = storedType(tensor.name, tensor.shape, type, exactKernel);
      return dtype === tensor.dtype ? tensor : { ...tensor, dtype, data: () => readFloat32(tensor.name) };
    }),
  };
}

/** A vision-language checkpoint: its own projector, reading what config.json says. */
async function writeCheckpoint(read: ModelSource, checkpoint: NonNullable<ModelSource["checkpoint"]>, source: WeightSource, name: string, options: ConvertToMmprojOptions): Promise<void> {
  const { layout, projector, config, processorConfig } = checkpoint;
  if (options.projector !== undefined) throw new SightlineError("bad-input", `convert: the checkpoint has a projector of its own (${layout.type}); expected none to be named`);
  if (options.featureLayer !== undefined) throw new SightlineError("bad-input", "convert: the checkpoint's config.json says what its projector reads; expected no feature layer to be named");
  const { tensors } = projectorTensors(source, layout);
  const { layers, width, imageSize, patchSize } = read.vision;
  const metadata = layout.metadata({ towerWidth: width, patchSide: Math.floor(imageSize / patchSize), config, processorConfig }, tensors);
  await write(read, layout, { tensors, outputWidth: projector.outputWidth, metadata, layers, postLayerNorm: read.postLayerNorm }, name, options);
}

/** A SigLIP checkpoint and a projector of another file. */
async function writeWithProjector(read: ModelSource, source: WeightSource, name: string, options: ConvertToMmprojOptions): Promise<void> {
  const { layout, tensors } = projectorTensors(source);
  const { vision: tower } = read;
  const told = keptMmproj(source)?.metadata ?? source.metadata;
  const valueOf = (key: string): unknown => {
    const value: unknown = told.get(key);
    return typeof value === "object" && value !== null && !Array.isArray(value) && "value" in value ? value.value : value;
  };
  const { layers, normed } = featureLayerOf(options.featureLayer, toldFeatures(source, valueOf), layout, tower.layers, source.path);
  const made = layout.metadata({ towerWidth: tower.width, patchSide: Math.floor(tower.imageSize / tower.patchSize) }, tensors);
  const factor = valueOf("clip.vision.projector.scale_factor");
  const metadata = typeof factor === "number" && !made.some(([key]) => key.endsWith("scale_factor")) ? [...made, ["clip.vision.projector.scale_factor", { type: "uint32", value: factor } satisfies GgufValue] as const] : made;
  const outputWidth = widthOf(source, tensors);
  await write(read, layout, { tensors, outputWidth, metadata, layers, postLayerNorm: normed }, name, options);
}

/** What a projector reads: a number of blocks, and whether the last norm is behind them. */
interface Features {
  readonly layers: number;
  readonly normed: boolean;
}

/** What the projector's own file says that it reads, if it is one that says so. */
function toldFeatures(source: WeightSource, valueOf: (key: string) => unknown): Features | undefined {
  const blocks = valueOf("clip.vision.block_count");
  if (typeof blocks !== "number") return undefined;
  const layer = valueOf("clip.vision.feature_layer");
  const normed = source.tensors.has("v.post_ln.weight") || source.tensors.has("vision_model.post_layernorm.weight");
  // As readers take it: LLaVA's last block but one.
  const otherwise = valueOf("clip.projector_type") === "mlp" ? blocks - 1 : blocks;
  return { layers: Array.isArray(layer) && typeof layer[0] === "number" ? layer[0] : otherwise, normed };
}

function featureLayerOf(asked: number | "normed" | undefined, told: Features | undefined, { type, readsBlocks }: ProjectorLayout, layers: number, file: string): Features {
  if (!readsBlocks) {
    if (typeof asked === "number") throw new SightlineError("bad-input", `convert: the ${type} projector reads the tower's last norm; expected no feature layer, got ${asked}`);
    return { layers, normed: true };
  }
  if (asked === "normed") return { layers, normed: true };
  if (asked === undefined && told) return checked(told, told.layers, layers);
  if (asked === undefined) throw new SightlineError("bad-input", `convert: ${file}: does not say what its ${type} projector reads; say it with --feature-layer: a block (-2 in LLaVA, -1 in LLaVA-OneVision), or "normed"`);
  return checked({ layers: asked < 0 ? layers + 1 + asked : asked, normed: false }, asked, layers);
}

function checked(features: Features, asked: number, layers: number): Features {
  if (features.layers >= 1 && features.layers <= layers) return features;
  throw new SightlineError("bad-input", `convert: expected a feature layer of the tower's ${layers} blocks, counted from 1 or back from -1, got ${asked}`);
}

/** W of a projector of its own: what its last matrix gives. */
function widthOf(source: WeightSource, tensors: readonly MmprojTensor[]): number {
  const gguf = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const [rows, columns] = (gguf.get("mm.2.weight") ?? gguf.get("mm.model.fc.weight") ?? gguf.get("mm.input_projection.weight") ?? gguf.get("mm.0.weight"))?.shape ?? [];
  const width = gguf.has("mm.input_projection.weight") ? columns : rows;
  if (width === undefined) throw new WeightsError(`convert: ${source.path}: expected the projector's last layer to be a matrix`);
  return width;
}

interface Parts {
  readonly tensors: readonly MmprojTensor[];
  readonly outputWidth: number;
  readonly metadata: readonly (readonly [string, GgufValue])[];
  readonly layers: number;
  readonly postLayerNorm: boolean;
}

async function write(read: ModelSource, layout: ProjectorLayout, { tensors, outputWidth, metadata, layers, postLayerNorm }: Parts, name: string, options: ConvertToMmprojOptions): Promise<void> {
  const { out, type = "F16" } = options;
  checkInput(read, tensors);
  const all = [...tensors, ...read.tensors(layers, postLayerNorm)];
  await writeMmproj(out, {
    name,
    vision: { ...read.vision, layers },
    normalization: read.normalization,
    projector: [["clip.projector_type", { type: "string", value: layout.type }], ["clip.vision.projection_dim", { type: "uint32", value: outputWidth }], ...metadata],
    tensors: watchedTensors(all.map((tensor): TensorToWrite => ({ ...tensor, dtype: storedType(tensor.name, tensor.shape, type, layout.exactKernel) })), options),
    fileType: fileTypes[type],
  });
}

/** Throws SightlineError unless the projector's first layer reads what the tower gives. */
function checkInput({ vision: { width } }: ModelSource, tensors: readonly MmprojTensor[]): void {
  for (const [name, axis] of [["mm.0.weight", 1], ["mm.model.fc.weight", 1], ["mm.input_projection.weight", 0]] as const) {
    const shape = tensors.find((tensor) => tensor.name === name)?.shape;
    if (!shape) continue;
    const reads = shape[axis] as number;
    const fits = name === "mm.model.fc.weight" ? reads % width === 0 : reads === width;
    if (!fits) throw new SightlineError("model-mismatch", `convert: the projector reads rows of width ${reads}, but the tower gives ${width}; take both from one model`);
  }
}
