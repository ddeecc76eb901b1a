import { writeGguf, type GgufValue, type TensorToWrite } from "@sightline/weights";
import { watchedTensors, type ConversionOptions } from "./conversion-progress.js";
import { fileTypes, storedType, type MmprojType } from "./mmproj-type.js";

/** The numbers of a SigLIP tower that a projector reads. */
export interface MmprojTower {
  readonly imageSize: number;
  readonly patchSize: number;
  readonly width: number;
  readonly mlpWidth: number;
  /** Blocks that are stored; the projector reads what the last of them gives. */
  readonly layers: number;
  readonly heads: number;
  readonly layerNormEps: number;
  /** Of pixels from 0 to 1. */
  readonly mean: readonly [number, number, number];
  readonly std: readonly [number, number, number];
}

/** The projector of an mmproj GGUF. */
export interface MmprojProjector {
  /** `clip.projector_type` */
  readonly type: string;
  /** W, the width of its rows. */
  readonly outputWidth: number;
  /** Keys of its own, such as `clip.vision.projector.scale_factor`. */
  readonly metadata?: readonly (readonly [key: string, value: GgufValue])[];
}

/** A tensor by its name in the GGUF; float32 values, or a function that gives them. */
export interface MmprojTensor {
  readonly name: string;
  /** Row-major, outermost first. */
  readonly shape: readonly number[];
  /** Row-major; a function is called when the tensor's turn comes. */
  readonly data: Float32Array | (() => Promise<Float32Array>);
}

/** What an mmproj GGUF is made of. */
export interface Mmproj {
  /** What the model is called, and under which licence it comes (an SPDX name in lower case). */
  readonly name: string;
  readonly license?: string;
  readonly tower: MmprojTower;
  readonly projector: MmprojProjector;
  /** Those that have a type of their own are stored in it, the others as `type` says. */
  readonly tensors: readonly (MmprojTensor | TensorToWrite)[];
  readonly type: MmprojType;
  /** Whether the patch kernel is stored in float32 whatever `type` is. */
  readonly exactKernel?: boolean;
}

const u32 = (value: number): GgufValue => ({ type: "uint32", value });
const f32 = (value: number): GgufValue => ({ type: "float32", value });
const text = (value: string): GgufValue => ({ type: "string", value });
const bool = (value: boolean): GgufValue => ({ type: "bool", value });
const floats = (value: readonly number[]): GgufValue => ({ type: "array", of: "float32", value });

/**
 * Writes a SigLIP tower and a projector as an mmproj GGUF, keys and types as llama.cpp's converter has them. The file
 * appears when it is whole.
 * @throws WeightsError when data does not agree with its shape or the system refuses; the signal's reason
 */
export async function writeMmproj(file: string, { name, license, tower, projector, tensors, type, exactKernel = false }: Mmproj, options: Pick<ConversionOptions, "signal" | "onProgress"> = {}): Promise<void> {
  const metadata: (readonly [string, GgufValue])[] = [
    ["general.architecture", text("clip")],
    ["general.type", text("mmproj")],
    ["general.name", text(name)],
    ...(license === undefined ? [] : [["general.license", text(license)] as const]),
    ["general.file_type", u32(fileTypes[type])],
    ["clip.has_vision_encoder", bool(true)],
    ["clip.vision.projection_dim", u32(projector.outputWidth)],
    ["clip.vision.image_size", u32(tower.imageSize)],
    ["clip.vision.patch_size", u32(tower.patchSize)],
    ["clip.vision.embedding_length", u32(tower.width)],
    ["clip.vision.feed_forward_length", u32(tower.mlpWidth)],
    ["clip.vision.block_count", u32(tower.layers)],
    ["clip.vision.attention.head_count", u32(tower.heads)],
    ["clip.vision.image_mean", floats(tower.mean)],
    ["clip.vision.image_std", floats(tower.std)],
    ["clip.projector_type", text(projector.type)],
    ["clip.vision.attention.layer_norm_epsilon", f32(tower.layerNormEps)],
    ["clip.use_gelu", bool(true)],
    ...(projector.metadata ?? []),
    ["general.quantization_version", u32(2)],
  ];
  const stored = tensors.map((tensor): TensorToWrite => ("dtype" in tensor ? tensor : { ...tensor, dtype: storedType(tensor.name, tensor.shape, type, exactKernel) }));
  await writeGguf(file, { metadata, tensors: watchedTensors(stored, options) });
}

/** What an `mlp` projector's metadata says where it reads the last block; without it llama.cpp leaves that out, as LLaVA does. */
export function readsLastBlock({ layers }: Pick<MmprojTower, "layers">): NonNullable<MmprojProjector["metadata"]> {
  return [["clip.vision.feature_layer", { type: "array", of: "int32", value: [layers] }]];
}
