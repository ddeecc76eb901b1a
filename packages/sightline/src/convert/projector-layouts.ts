import { fieldAt } from "@sightline/projector";
import type { GgufValue, WeightSource } from "@sightline/weights";
import { SightlineError } from "../sightline-error.js";

/** A tensor by its name in the GGUF, read when its turn comes. */
export interface MmprojTensor {
  readonly name: string;
  /** Row-major, outermost first. */
  readonly shape: readonly number[];
  readonly data: () => Promise<Float32Array>;
}

/** What a projector's numbers depend on besides its tensors. */
export interface ProjectorFacts {
  /** D */
  readonly towerWidth: number;
  /** Patches along a side. */
  readonly patchSide: number;
  /** The value of config.json, where the projector comes from a checkpoint. */
  readonly config?: unknown;
  /** The value of preprocessor_config.json, likewise. */
  readonly processorConfig?: unknown;
}

/** How one kind of projector lies in a Hugging Face checkpoint, and what an mmproj GGUF says of it. */
export interface ProjectorLayout {
  /** `clip.projector_type` */
  readonly type: string;
  /** The `model_type` of checkpoints that have it. */
  readonly modelTypes: readonly string[];
  /** The GGUF's names by what tensors' names end with in a checkpoint; `undefined` entries may be missing. */
  readonly names: Readonly<Record<string, string>>;
  /** The GGUF's names that this kind always has, and no other: how it is told by a file of a projector alone. */
  readonly marks: readonly string[];
  /** Whether patch kernels stay in float32 in F16 files. */
  readonly exactKernel: boolean;
  /** Whether the projector may read a block before the last norm. */
  readonly readsBlocks: boolean;
  readonly metadata: (facts: ProjectorFacts, tensors: readonly MmprojTensor[]) => readonly (readonly [string, GgufValue])[];
  /** Changes values on the way, by the GGUF's name. */
  readonly convert?: Readonly<Record<string, (values: Float32Array) => Float32Array>>;
}

const u32 = (value: number): GgufValue => ({ type: "uint32", value });
const ints = (value: readonly number[]): GgufValue => ({ type: "array", of: "int32", value });
const scaleFactor = "clip.vision.projector.scale_factor";
const layer = (from: string, to: string): Record<string, string> => ({ [`${from}.weight`]: `${to}.weight`, [`${from}.bias`]: `${to}.bias` });

const mlp: ProjectorLayout = {
  type: "mlp",
  modelTypes: ["llava", "llava_onevision"],
  names: {
    ...layer("multi_modal_projector.linear_1", "mm.0"),
    ...layer("multi_modal_projector.linear_2", "mm.2"),
    // As LLaVA's own code stores them.
    ...layer("mm_projector.0", "mm.0"),
    ...layer("mm_projector.2", "mm.2"),
    image_newline: "v.image_newline",
  },
  marks: ["mm.0.weight", "mm.2.weight"],
  exactKernel: false,
  readsBlocks: true,
  metadata: ({ config }) => [...gelu(config), ...gridPinpoints(config)],
};

const idefics3: ProjectorLayout = {
  type: "idefics3",
  modelTypes: ["idefics3", "smolvlm"],
  names: { "connector.modality_projection.proj.weight": "mm.model.fc.weight" },
  marks: ["mm.model.fc.weight"],
  exactKernel: true,
  readsBlocks: false,
  metadata({ towerWidth, patchSide, config, processorConfig }, tensors) {
    const width = tensors[0]?.shape[1] ?? 0;
    const longest = fieldAt(processorConfig, "size.longest_edge");
    const imageSize = fieldAt(config, "vision_config.image_size");
    const preprocessed = Number.isInteger(longest) ? longest : imageSize;
    return [
      [scaleFactor, u32(wholeFactor("idefics3", Math.sqrt(width / towerWidth), patchSide))],
      ...(Number.isInteger(preprocessed) ? [["clip.vision.preproc_image_size", u32(preprocessed as number)] as const] : []),
    ];
  },
};

const gemma3: ProjectorLayout = {
  type: "gemma3",
  modelTypes: ["gemma3"],
  names: { "mm_soft_emb_norm.weight": "mm.soft_emb_norm.weight", mm_input_projection_weight: "mm.input_projection.weight" },
  marks: ["mm.soft_emb_norm.weight", "mm.input_projection.weight"],
  exactKernel: true,
  readsBlocks: false,
  metadata({ patchSide, config }) {
    const tokens = fieldAt(config, "mm_tokens_per_image") ?? 256;
    const side = Math.floor(Math.sqrt(typeof tokens === "number" ? tokens : 256));
    const factor = Math.floor(patchSide / side);
    // 4 is what a reader takes where nothing is said.
    return factor > 0 && factor !== 4 ? [[scaleFactor, u32(factor)]] : [];
  },
  // Gemma's norm multiplies by 1 + w; a GGUF stores what it multiplies by.
  convert: { "mm.soft_emb_norm.weight": (values) => values.map((value) => value + 1) },
};

const linear: ProjectorLayout = {
  type: "linear",
  modelTypes: ["paligemma"],
  names: layer("multi_modal_projector.linear", "mm.0"),
  marks: ["mm.0.weight"],
  exactKernel: false,
  readsBlocks: false,
  metadata: () => [],
};

/** Those that can be written. One whose marks are among another's comes after it. */
export const projectorLayouts: readonly ProjectorLayout[] = [mlp, idefics3, gemma3, linear];

/** Whether the checkpoint's GELU is the erf form; llama.cpp runs the tanh form whatever a file says, and readers here do unless told. */
function gelu(config: unknown): readonly (readonly [string, GgufValue])[] {
  const isErf = config !== undefined && (fieldAt(config, "projector_hidden_act") ?? "gelu") === "gelu";
  return isErf ? [["sightline.projector.gelu", { type: "string", value: "erf" }]] : [];
}

/** [width, height] pairs in one row, where config.json has [height, width] pairs; and how many tiles they are shrunk to. */
function gridPinpoints(config: unknown): readonly (readonly [string, GgufValue])[] {
  const pairs = fieldAt(config, "image_grid_pinpoints");
  if (!Array.isArray(pairs)) return [];
  const ratio = fieldAt(config, "vision_aspect_ratio");
  const named = typeof ratio === "string" ? [["clip.vision.image_aspect_ratio", { type: "string", value: ratio } satisfies GgufValue] as const] : [];
  return [...named, ["clip.vision.image_grid_pinpoints", ints(pairs.flatMap((pair: unknown) => (Array.isArray(pair) ? [...(pair as number[])].reverse() : [])))]];
}

function wholeFactor(type: string, factor: number, patchSide: number): number {
  if (Number.isInteger(factor) && factor >= 1 && factor <= patchSide) return factor;
  throw new SightlineError("model-mismatch", `convert: the ${type} projector joins squares of patches, expected as many columns as a square number of the tower's; take both from one model`);
}

/** The projector's tensors under the GGUF's names, and how they are read. */
export interface ProjectorTensors {
  readonly layout: ProjectorLayout;
  readonly tensors: readonly MmprojTensor[];
}

/**
 * Finds the projector of a file: a checkpoint's, or a file of a projector alone, whose names are a checkpoint's or a GGUF's.
 * @param layout where it is known; told by the names of the tensors otherwise
 * @throws SightlineError `model-mismatch` when the tensors are those of no known projector, listing the known ones
 */
export function projectorTensors(source: WeightSource, layout?: ProjectorLayout): ProjectorTensors {
  const candidates = layout ? [layout] : projectorLayouts;
  for (const candidate of candidates) {
    const found = namesIn(source, candidate);
    if (candidate.marks.every((name) => found.has(name))) return { layout: candidate, tensors: [...found].map(([name, stored]) => tensorOf(source, candidate, name, stored)) };
  }
  const known = candidates.map(({ type, marks }) => `${type} (${marks.join(", ")})`).join("; ");
  throw new SightlineError("model-mismatch", `convert: ${source.path}: expected the tensors of a projector, got none of ${known}`);
}

/** The stored name of each tensor by the GGUF's. */
function namesIn(source: WeightSource, { names }: ProjectorLayout): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const stored of source.tensors.keys()) {
    const ending = Object.keys(names).find((end) => stored === end || stored.endsWith(`.${end}`));
    const name = ending === undefined ? Object.values(names).find((own) => own === stored) : names[ending];
    if (name !== undefined) found.set(name, stored);
  }
  return found;
}

function tensorOf(source: WeightSource, { convert }: ProjectorLayout, name: string, stored: string): MmprojTensor {
  const values = (): Promise<Float32Array> => source.readFloat32(stored);
  const change = stored === name ? undefined : convert?.[name];
  return { name, shape: source.tensors.get(stored)?.shape ?? [], data: change ? async () => change(await values()) : values };
}
