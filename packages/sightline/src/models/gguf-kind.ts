import type { WeightSource } from "@sightline/weights";

/** What a weight file is to a vision-language model. */
export interface GgufKind {
  readonly kind: "mmproj" | "decoder" | "neither";
  /** In words, for errors: "a LoRA adapter", "an mmproj". */
  readonly words: string;
  /** What to do about a file that is neither. */
  readonly remedy?: string;
}

/** Kinds that `general.type` names besides models and projectors (gguf-py's GGUFType). */
const otherTypes: Readonly<Record<string, string>> = { adapter: "a LoRA adapter", imatrix: "an importance matrix for quantising", imatrix_dat: "an importance matrix for quantising" };

/** Tells mmproj and decoder from each other and from whatever else comes as GGUF, by metadata alone. */
export function ggufKind({ format, metadata, tensors }: Pick<WeightSource, "format" | "metadata" | "tensors">): GgufKind {
  if (format !== "gguf") return { kind: "neither", words: "a safetensors file", remedy: "a decoder runs from GGUF only" };
  const architecture = metadata.get("general.architecture");
  const type = metadata.get("general.type");
  const parts = Number(metadata.get("split.count") ?? 1);
  if (parts > 1) {
    const part = Number(metadata.get("split.no") ?? 0) + 1;
    return { kind: "neither", words: `part ${part} of a model that is split into ${parts} files`, remedy: mergeRemedy };
  }
  if (typeof type === "string" && Object.hasOwn(otherTypes, type)) return { kind: "neither", words: otherTypes[type] as string };
  if (architecture === "controlvector") return { kind: "neither", words: "a control vector" };
  if (architecture === "clip") {
    if (metadata.get("clip.has_vision_encoder") === true) return { kind: "mmproj", words: "an mmproj" };
    const hears = metadata.get("clip.has_audio_encoder") === true;
    return { kind: "neither", words: hears ? "an mmproj for sound alone, without a vision encoder" : "an mmproj without a vision encoder", remedy: "take the model's mmproj for pictures" };
  }
  if (typeof type === "string" && type !== "model") return { kind: "neither", words: `a GGUF of general.type ${JSON.stringify(type.slice(0, 40))}` };
  if (tensors.size === 0) return { kind: "neither", words: "a vocabulary without weights" };
  return { kind: "decoder", words: "a language model" };
}

/** What joins the files of a split model. */
export const mergeRemedy = "join them with llama.cpp's llama-gguf-split --merge FIRST-PART MERGED.gguf";

/** The first number of a split model's file name, `NAME-00001-of-00003.gguf`, and the second; undefined for other names. */
export function splitParts(file: string): { readonly part: number; readonly parts: number } | undefined {
  const [, part, parts] = /-(\d{5})-of-(\d{5})\.gguf$/i.exec(file) ?? [];
  return part === undefined ? undefined : { part: Number(part), parts: Number(parts) };
}
