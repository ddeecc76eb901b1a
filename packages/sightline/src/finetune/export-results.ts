import { cp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { loadBestParameters, mergedWeight, type LoraOptions, type ParameterSet } from "@sightline/contrastive";
import { exportOnnx } from "@sightline/vision-tower";
import { writeSafetensors, type TensorToWrite } from "@sightline/weights";
import { SightlineError } from "../sightline-error.js";
import { writeAdapter } from "./export-adapter.js";
import { writeTowerIntoMmproj } from "./export-mmproj.js";
import type { Exported } from "./finetune-event.js";
import type { FinetuneConfig } from "./finetune-settings.js";
import type { StartingTemperature } from "./initial-parameters.js";
import { replaceFolder } from "./replace-folder.js";
import type { TrainingModel } from "./training-model.js";

export interface TrainedModel {
  readonly config: FinetuneConfig;
  readonly model: TrainingModel;
  /** What was trained; the last step's, or their average. */
  readonly parameters: ParameterSet;
  readonly lora: LoraOptions | undefined;
  readonly temperature: StartingTemperature;
  /** The checkpoint to take instead, where one was better. */
  readonly best: string | undefined;
  readonly signal: AbortSignal | undefined;
}

/**
 * Called before anything is trained for it.
 * @throws SightlineError `bad-input` for a format that has no place for the tower
 */
export function expectExportable({ export: formats }: FinetuneConfig, { vision, directory }: TrainingModel): void {
  const fixedOnly = formats.filter((format) => format === "onnx" || format === "mmproj");
  if (!vision.padded || fixedOnly.length === 0) return;
  throw new SightlineError("bad-input", `finetune: export: ${directory} is a NaFlex checkpoint, and ${fixedOnly.join(" and ")} can hold towers of one fixed resolution only; expected "safetensors" or "lora"`);
}

/** Writes the results that the configuration asks for, each in a folder or file of `out`, replaced as a whole. */
export async function* exportResults(trained: TrainedModel): AsyncGenerator<Exported, void> {
  const { config, parameters, best, signal } = trained;
  if (best !== undefined) await loadBestParameters(best, parameters);
  const directory = path.join(config.out, "model");
  const formats = new Set(config.export);
  if (formats.has("safetensors") || formats.has("onnx")) {
    await writeModelDirectory(trained, directory);
    yield { type: "exported", format: "safetensors", path: directory };
  }
  if (formats.has("lora")) {
    const folder = path.join(config.out, "lora");
    await replaceFolder(folder, (partial) => writeAdapter(trained, partial));
    yield { type: "exported", format: "lora", path: folder };
  }
  if (formats.has("onnx")) {
    const folder = path.join(config.out, "onnx");
    await replaceFolder(folder, async (partial) => {
      await rm(partial, { recursive: true });
      await exportOnnx(directory, partial, signal ? { signal } : {});
    });
    yield { type: "exported", format: "onnx", path: folder };
  }
  if (formats.has("mmproj")) {
    const file = path.join(config.out, "mmproj.gguf");
    const names = [...trained.model.weights.tensors.keys()].filter((name) => name.startsWith("vision_model."));
    await writeTowerIntoMmproj(config.mmproj as string, file, names, (name) => trainedTensor(trained, name));
    yield { type: "exported", format: "mmproj", path: file };
  }
}

/** A tensor of the model as it is after training, float32, with adapters merged in; by its name in Hugging Face's layout. */
async function trainedTensor({ model, parameters, lora, temperature }: Pick<TrainedModel, "model" | "parameters" | "lora" | "temperature">, name: string): Promise<Float32Array> {
  if (name === "logit_scale") return Float32Array.of(parameters.has(name) ? (parameters.get(name)[0] as number) : temperature.logitScale);
  if (name === "logit_bias") return Float32Array.of(parameters.has(name) ? (parameters.get(name)[0] as number) : temperature.logitBias);
  if (parameters.has(name)) return parameters.get(name);
  const values = await model.weights.readFloat32(name);
  return lora ? mergedWeight(name, values, parameters, lora) : values;
}

/** Both towers as a Hugging Face directory: the checkpoint's own files, with new weights in float32. */
async function writeModelDirectory(trained: TrainedModel, directory: string): Promise<void> {
  const { model } = trained;
  await replaceFolder(directory, async (partial) => {
    for (const name of await readdir(model.directory)) {
      if (/\.(json|model|txt|md|jinja)$/i.test(name) && !name.endsWith(".index.json") && name !== "config.json") await cp(path.join(model.directory, name), path.join(partial, name));
    }
    const config = JSON.parse(await readFile(path.join(model.directory, "config.json"), "utf8")) as Record<string, unknown>;
    const { torch_dtype: _before, ...kept } = config;
    await writeFile(path.join(partial, "config.json"), `${JSON.stringify({ ...kept, dtype: "float32" }, null, 2)}\n`, { flush: true });
    const tensors = [...model.weights.tensors.values()].map(({ name, shape }): TensorToWrite => ({ name, dtype: "F32", shape, data: () => trainedTensor(trained, name) }));
    await writeSafetensors(path.join(partial, "model.safetensors"), tensors, { format: "pt" });
  });
}
