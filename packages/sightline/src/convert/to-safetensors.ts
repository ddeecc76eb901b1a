import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { readMmprojVision, siglipTowerTensors, type MmprojVision } from "@sightline/vision-tower";
import { openWeights, readGgufMetadata, writeSafetensors, type TensorDtype, type TensorToWrite, type WeightSource } from "@sightline/weights";
import { ggufKind } from "../models/gguf-kind.js";
import { findModelFiles } from "../models/model-files.js";
import { SightlineError } from "../sightline-error.js";
import { watchedTensors, type ConversionOptions } from "./conversion-progress.js";
import { keptKey, keptText } from "./kept-mmproj.js";
import { checkOutput, placeFolder } from "./place-output.js";

export interface ConvertToSafetensorsOptions extends ConversionOptions {
  /** A .safetensors file; or a folder, which becomes a directory that transformers' `SiglipVisionModel` loads. */
  readonly out: string;
}

/** Types that safetensors has too; others are dequantised to float32. */
const sharedTypes: ReadonlySet<TensorDtype> = new Set<TensorDtype>(["F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8"]);

/**
 * Writes an mmproj GGUF as safetensors. A SigLIP tower's tensors get the names of a Hugging Face checkpoint
 * (`vision_model.…`); everything else keeps its own (`mm.…`). Stored types stay, but for quantised ones, which become
 * float32. The GGUF's metadata goes along, so that `convertToMmproj` makes the same file of it again: the same bytes, for
 * F32, F16 and BF16.
 * @param mmproj a GGUF file, or "mini"
 * @throws SightlineError `model-mismatch` for another kind of GGUF, or for a folder as output where the tower is no SigLIP
 *   tower, `output-exists`; WeightsError for a damaged file; the signal's reason
 */
export async function convertToSafetensors(mmproj: string, options: ConvertToSafetensorsOptions): Promise<void> {
  const { out, overwrite = false } = options;
  const file = mmproj === "mini" ? (await findModelFiles("mini")).mmproj : mmproj;
  await using source = await openWeights(file);
  const kind = ggufKind(source);
  if (kind.kind !== "mmproj") throw new SightlineError("model-mismatch", `convert: ${file}: expected an mmproj GGUF, got ${kind.words}`);
  await checkOutput(out, file, overwrite);
  const vision = siglipTower(source);
  const names = huggingFaceNames(vision);
  const storedName = (name: string): string => names.get(name) ?? name;
  const tensors = [...source.tensors.values()].map(({ name, dtype, shape }): TensorToWrite =>
    sharedTypes.has(dtype) ? { name: storedName(name), dtype, shape, data: () => source.readBytes(name) } : { name: storedName(name), dtype: "F32", shape, data: () => source.readFloat32(name) });
  const kept = keptText({ metadata: [...(await readGgufMetadata(file))], tensors: [...source.tensors.values()].map(({ name, dtype }) => [name, storedName(name), dtype] as const) });
  const write = (to: string): Promise<void> => writeSafetensors(to, watchedTensors(tensors, options), { format: "pt", [keptKey]: kept });
  if (out.endsWith(".safetensors")) {
    await write(out);
    return;
  }
  if (!vision) throw new SightlineError("model-mismatch", `convert: ${file}: its tower is no SigLIP tower, which a directory would be for; expected --out to be a file that ends with .safetensors`);
  await placeFolder(out, async (partial) => {
    await mkdir(partial);
    await write(path.join(partial, "model.safetensors"));
    for (const [name, value] of Object.entries(configuration(vision, blockCount(source)))) await writeFile(path.join(partial, name), `${JSON.stringify(value, null, 2)}\n`, { flush: true });
  });
}

function siglipTower(source: WeightSource): MmprojVision | undefined {
  try {
    return readMmprojVision(source);
  } catch {
    return undefined;
  }
}

function blockCount(source: WeightSource): number {
  return source.metadata.get("clip.vision.block_count") as number;
}

/** The names of a Hugging Face checkpoint by those of the file. */
function huggingFaceNames(vision: MmprojVision | undefined): ReadonlyMap<string, string> {
  // A projector may read an earlier block than the last one that the file holds.
  return new Map(vision ? siglipTowerTensors(1024, true).map((name) => [vision.rename(name), name]) : []);
}

function configuration({ config, preprocessing }: MmprojVision, layers: number): Record<string, unknown> {
  const { width, mlpWidth, heads, imageSize, patchSize, layerNormEps } = config;
  return {
    "config.json": {
      architectures: ["SiglipVisionModel"],
      model_type: "siglip_vision_model",
      hidden_size: width,
      intermediate_size: mlpWidth,
      num_hidden_layers: layers,
      num_attention_heads: heads,
      num_channels: 3,
      image_size: imageSize,
      patch_size: patchSize,
      hidden_act: "gelu_pytorch_tanh",
      layer_norm_eps: Number(layerNormEps.toPrecision(6)),
      vision_use_head: false,
    },
    "preprocessor_config.json": {
      image_processor_type: "SiglipImageProcessor",
      size: { height: imageSize, width: imageSize },
      resample: { lanczos: 1, bilinear: 2, bicubic: 3 }[preprocessing.filter ?? "bicubic"],
      rescale_factor: preprocessing.rescale,
      image_mean: preprocessing.mean,
      image_std: preprocessing.std,
    },
  };
}
