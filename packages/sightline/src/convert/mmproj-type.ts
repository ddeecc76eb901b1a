import type { TensorDtype } from "@sightline/weights";

/** How the matrices of an mmproj GGUF are stored; norms, biases and positions are float32 in each. */
export type MmprojType = "F32" | "F16" | "Q8_0";

/** `general.file_type` (llama.h, `enum llama_ftype`). */
export const fileTypes: Readonly<Record<MmprojType, number>> = { F32: 0, F16: 1, Q8_0: 7 };

/** Elements that Q8_0 stores together. */
const q8Elements = 32;

/**
 * The type of one tensor, as llama.cpp's convert_hf_to_gguf.py chooses it (v0.4.0, `ModelBase.prepare_tensors` and the
 * models' `tensor_force_quant`).
 * @param name in the GGUF
 * @param exactKernel whether the patch kernel stays in float32 even where matrices are F16
 */
export function storedType(name: string, shape: readonly number[], type: MmprojType, exactKernel: boolean): TensorDtype {
  if (shape.length <= 1 || name.endsWith("_norm.weight") || !name.endsWith(".weight")) return "F32";
  if (name === "v.position_embd.weight") return "F32";
  if (name === "v.patch_embd.weight") return type === "F16" && !exactKernel ? "F16" : "F32";
  // Gemma 3's matrix is transposed before it is used, which llama.cpp can do with this type.
  if (name === "mm.input_projection.weight") return "F16";
  return type === "Q8_0" && (shape.at(-1) as number) % q8Elements !== 0 ? "F16" : type;
}
