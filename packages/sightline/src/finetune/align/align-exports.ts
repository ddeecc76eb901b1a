import { constants } from "node:fs";
import { copyFile, cp, readdir } from "node:fs/promises";
import path from "node:path";
import { ggufDecoderName, loadBestParameters, mergedWeight, type LoraOptions, type ParameterSet } from "@sightline/contrastive";
import { mmprojTowerName } from "@sightline/vision-tower";
import { writeGguf, writeSafetensors, type TensorToWrite } from "@sightline/weights";
import { isWritable, replaceGgufTensors } from "../../models/replace-gguf-tensors.js";
import { mmprojTensor, writeMmproj } from "../../models/write-mmproj.js";
import { SightlineError } from "../../sightline-error.js";
import type { Exported } from "../finetune-event.js";
import { replaceFolder } from "../replace-folder.js";
import { isDecoderParameter, isTowerParameter, type AlignModel } from "./align-model.js";
import type { AlignConfig, AlignExport } from "./align-settings.js";

/** A model after training. */
export interface AlignedModel {
  readonly config: AlignConfig;
  readonly model: AlignModel;
  /** What was trained; the last step's, or their average. */
  readonly parameters: ParameterSet;
  readonly lora: LoraOptions | undefined;
  /** The checkpoint to take instead, where one was better. */
  readonly best: string | undefined;
}

/**
 * The results that a run will write, or why it could not: found out before it trains for hours.
 * @throws SightlineError `bad-input`
 */
export function checkAlignExports({ export: asked, trains }: AlignConfig, { decoderSource, decoderPath, decoder, towerSource, started }: AlignModel): readonly AlignExport[] {
  const bad = (problem: string): SightlineError => new SightlineError("bad-input", `finetune: export: ${problem}`);
  const isGguf = decoderSource.format === "gguf";
  const formats = asked ?? (isGguf ? ["model"] : ["mmproj", "decoder"]);
  const wants = (...some: readonly AlignExport[]): boolean => formats.some((format) => some.includes(format));
  if (wants("model") && !isGguf) throw bad(`"model" needs a decoder that a chat can open, a GGUF; ${decoderPath} is a directory: ask for "mmproj" and "decoder", and convert the latter`);
  if (wants("adapter") && !isGguf && ["llama", "mistral"].includes(decoder.architecture)) throw bad(`"adapter": GGUF files have the rows of ${decoder.architecture}'s queries and keys in another order; train from the decoder's GGUF`);
  if (wants("model", "decoder") && isGguf && trains.decoder !== false) {
    const packed = [...decoderSource.tensors.values()].find((tensor) => tensor.shape.length === 2 && !isWritable(tensor));
    if (packed) throw bad(`the decoder's "${packed.name}" is ${packed.dtype}, which trained weights cannot be written as; give the decoder as F32, F16, BF16 or Q8_0, or ask for "adapter" and "mmproj"`);
  }
  if (wants("model", "mmproj") && !started) {
    if (towerSource.format !== "gguf") throw bad(`an mmproj is written into a copy of one, and ${towerSource.path} is a directory; give the model's mmproj GGUF`);
    const packed = [...towerSource.tensors.values()].find((tensor) => (trains.tower !== false || !tensor.name.startsWith("v.")) && !isWritable(tensor));
    if (packed) throw bad(`the mmproj's "${packed.name}" is ${packed.dtype}, which trained weights cannot be written as; give it as F32, F16, BF16 or Q8_0`);
  }
  return formats;
}

/** Writes the results, each a folder or file of `out`, replaced as a whole. */
export async function* exportAligned(aligned: AlignedModel, formats: readonly AlignExport[]): AsyncGenerator<Exported, void> {
  const { config, model, parameters, best } = aligned;
  if (best !== undefined) await loadBestParameters(best, parameters);
  const at = (name: string): string => path.join(config.out, name);
  for (const format of new Set(formats)) {
    if (format === "mmproj") {
      await writeAlignedMmproj(aligned, at("mmproj.gguf"));
      yield { type: "exported", format, path: at("mmproj.gguf") };
    } else if (format === "adapter") {
      await writeAdapterGguf(aligned, at("adapter.gguf"));
      yield { type: "exported", format, path: at("adapter.gguf") };
    } else if (format === "decoder") {
      const where = model.decoderSource.format === "gguf" ? at("decoder.gguf") : at("decoder");
      await writeDecoder(aligned, where);
      yield { type: "exported", format, path: where };
    } else {
      await replaceFolder(at("model"), async (partial) => {
        await writeAlignedMmproj(aligned, path.join(partial, "mmproj.gguf"));
        await writeDecoder(aligned, path.join(partial, decoderFile(model)));
      });
      yield { type: "exported", format, path: at("model") };
    }
  }
}

/** A folder's decoder is the GGUF whose name does not say mmproj. */
function decoderFile({ decoderPath }: AlignModel): string {
  const name = path.basename(decoderPath);
  return /mmproj/i.test(name) ? "decoder.gguf" : name;
}

async function writeAlignedMmproj({ config, model, parameters }: AlignedModel, file: string): Promise<void> {
  const { towerSource, tower, vision, started } = model;
  const trained = parameters.slots.filter(({ name }) => !isDecoderParameter(name));
  if (!started || !vision) {
    return replaceGgufTensors(towerSource.path, file, new Map(trained.map(({ name }) => [isTowerParameter(name) ? tower.fileName(name) : name, async () => parameters.get(name)])));
  }
  const projector = trained.filter(({ name }) => !isTowerParameter(name)).map(({ name, shape }): TensorToWrite => mmprojTensor(name, shape, parameters.get(name)));
  await writeMmproj(file, { name: path.basename(config.out), vision, normalization: tower.preprocessing, projector: started, tensors: [...towerTensors(model, parameters), ...projector] });
}

/** The tower beside a new projector: those of an mmproj as they are stored there, those of a checkpoint by llama.cpp's names. */
function towerTensors({ towerSource, tower }: AlignModel, parameters: ParameterSet): TensorToWrite[] {
  const trained = new Map(parameters.slots.filter(({ name }) => isTowerParameter(name)).map(({ name }) => [tower.fileName(name), parameters.get(name)]));
  return [...towerSource.tensors.values()].flatMap(({ name, shape, dtype }): TensorToWrite[] => {
    const values = trained.get(name);
    if (towerSource.format === "gguf") {
      if (!name.startsWith("v.") || name === "v.image_newline") return [];
      return [values ? { name, dtype, shape, data: values } : { name, dtype, shape, data: () => towerSource.readBytes(name) }];
    }
    const stored = mmprojTowerName(name);
    return stored === undefined ? [] : [mmprojTensor(stored, shape, values ?? (() => towerSource.readFloat32(name)))];
  });
}

/** A decoder's tensor as it is after training; undefined for one that is as it was. */
function trainedTensor({ model, parameters, lora }: AlignedModel, name: string): (() => Promise<Float32Array>) | undefined {
  if (parameters.has(name)) return async () => parameters.get(name);
  if (!lora || !parameters.has(name.replace(/\.weight$/, ".lora_A.weight"))) return undefined;
  return async () => mergedWeight(name, await model.decoderSource.readFloat32(model.decoder.rename(name)), parameters, lora);
}

/** The names of a decoder's parameters that training changed. */
function changedNames({ parameters }: AlignedModel): string[] {
  return parameters.slots.flatMap(({ name }) => (isDecoderParameter(name) ? (name.endsWith(".lora_B.weight") ? [] : [name.replace(/\.lora_A\.weight$/, ".weight")]) : []));
}

async function writeDecoder(aligned: AlignedModel, where: string): Promise<void> {
  const { model } = aligned;
  const changed = new Map(changedNames(aligned).map((name) => [model.decoder.rename(name), trainedTensor(aligned, name) as () => Promise<Float32Array>]));
  if (model.decoderSource.format === "safetensors") return writeCheckpoint(model, changed, where);
  if (changed.size > 0) return replaceGgufTensors(model.decoderPath, where, changed);
  await copyFile(model.decoderPath, where, constants.COPYFILE_FICLONE);
}

/** A Hugging Face directory: the decoder's own files, with the weights that changed in the types that they had. */
async function writeCheckpoint({ decoderPath, decoderSource }: AlignModel, changed: ReadonlyMap<string, () => Promise<Float32Array>>, folder: string): Promise<void> {
  await replaceFolder(folder, async (partial) => {
    for (const name of await readdir(decoderPath)) {
      if (/\.(json|model|txt|md|jinja)$/i.test(name) && !name.endsWith(".index.json")) await cp(path.join(decoderPath, name), path.join(partial, name));
    }
    const tensors = [...decoderSource.tensors.values()].map(({ name, shape, dtype }): TensorToWrite => ({ name, dtype, shape, data: changed.get(name) ?? (() => decoderSource.readBytes(name)) }));
    await writeSafetensors(path.join(partial, "model.safetensors"), tensors, { format: "pt" });
  });
}

/** The decoder's adapter alone, as llama.cpp's convert_lora_to_gguf.py writes it: `blk.0.attn_q.weight.lora_a` float32[r, in] and `…lora_b` float32[out, r]. */
async function writeAdapterGguf({ config, model, parameters, lora }: AlignedModel, file: string): Promise<void> {
  if (!lora) throw new Error("writeAdapterGguf: expected a run with trains.decoder.lora");
  const { architecture, config: shape } = model.decoder;
  const tensors = parameters.slots.flatMap(({ name, shape: dims }): TensorToWrite[] => {
    const [, module, side] = /^(.*)\.lora_([AB])\.weight$/.exec(name) ?? [];
    const stored = module === undefined ? undefined : ggufDecoderName(`${module}.weight`, shape);
    return stored === undefined ? [] : [{ name: `${stored}.lora_${side === "A" ? "a" : "b"}`, dtype: "F32", shape: dims, data: parameters.get(name) }];
  });
  await writeGguf(file, {
    tensors,
    metadata: [
      ["general.architecture", { type: "string", value: ggufArchitecture(architecture) }],
      ["general.type", { type: "string", value: "adapter" }],
      ["general.name", { type: "string", value: path.basename(config.out) }],
      ["adapter.type", { type: "string", value: "lora" }],
      ["adapter.lora.alpha", { type: "float32", value: lora.alpha ?? lora.rank }],
    ],
  });
}

/** A checkpoint's `model_type` as llama.cpp calls it. */
function ggufArchitecture(name: string): string {
  return name === "gemma3_text" ? "gemma3" : name;
}
