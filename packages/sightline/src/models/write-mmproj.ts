import type { Normalization, SiglipVisionConfig } from "@sightline/vision-tower";
import { writeGguf, type GgufValue, type TensorToWrite } from "@sightline/weights";

/** What an mmproj GGUF is made of. */
export interface MmprojToWrite {
  /** `general.name`. */
  readonly name: string;
  /** `general.license`, where it is known. */
  readonly license?: string;
  /** The tower; the projector reads what the last of its blocks gives. */
  readonly vision: SiglipVisionConfig;
  readonly normalization: Pick<Normalization, "mean" | "std">;
  /** What the file says of the projector: `clip.projector_type`, `clip.vision.projection_dim` and its own keys. */
  readonly projector: readonly (readonly [key: string, value: GgufValue])[];
  /** `general.file_type` (llama.h, `enum llama_ftype`); 1, mostly F16, when left out. */
  readonly fileType?: number;
  /** The tower's tensors by llama.cpp's names, and the projector's. */
  readonly tensors: readonly TensorToWrite[];
}

const u32 = (value: number): GgufValue => ({ type: "uint32", value });
const f32 = (value: number): GgufValue => ({ type: "float32", value });
const text = (value: string): GgufValue => ({ type: "string", value });
const bool = (value: boolean): GgufValue => ({ type: "bool", value });

/**
 * Writes a SigLIP tower and a projector as an mmproj GGUF, which llama.cpp and `sightline chat` open; keys as llama.cpp's
 * converter has them.
 * @throws WeightsError when it cannot be written
 */
export async function writeMmproj(file: string, { name, license, vision, normalization, projector, tensors, fileType = 1 }: MmprojToWrite): Promise<void> {
  await writeGguf(file, {
    tensors,
    metadata: [
      ["general.architecture", text("clip")],
      ["general.type", text("mmproj")],
      ["general.name", text(name)],
      ...(license === undefined ? [] : [["general.license", text(license)] as const]),
      ["general.file_type", u32(fileType)],
      ["clip.has_vision_encoder", bool(true)],
      ["clip.use_gelu", bool(true)],
      ["clip.vision.image_size", u32(vision.imageSize)],
      ["clip.vision.patch_size", u32(vision.patchSize)],
      ["clip.vision.embedding_length", u32(vision.width)],
      ["clip.vision.feed_forward_length", u32(vision.mlpWidth)],
      ["clip.vision.block_count", u32(vision.layers)],
      ["clip.vision.attention.head_count", u32(vision.heads)],
      ["clip.vision.attention.layer_norm_epsilon", f32(vision.layerNormEps)],
      ["clip.vision.image_mean", { type: "array", of: "float32", value: [...normalization.mean] }],
      ["clip.vision.image_std", { type: "array", of: "float32", value: [...normalization.std] }],
      ...projector,
      // Without this llama.cpp's mlp projector leaves out the last block, as LLaVA does.
      ...(isMlp(projector) ? [["clip.vision.feature_layer", { type: "array", of: "int32", value: [vision.layers] }] as const] : []),
      ["general.quantization_version", u32(2)],
    ],
  });
}

function isMlp(projector: MmprojToWrite["projector"]): boolean {
  return projector.some(([key, { value }]) => key === "clip.projector_type" && value === "mlp");
}

/** How a tensor of an mmproj is stored: matrices in half precision, vectors and tables that are added to activations in full. */
export function mmprojTensor(name: string, shape: readonly number[], data: TensorToWrite["data"]): TensorToWrite {
  return { name, dtype: shape.length > 1 && !/embd/.test(name) ? "F16" : "F32", shape, data };
}
