import { WeightsError, type MetadataValue, type WeightSource } from "@sightline/weights";
import type { SiglipVisionConfig } from "../models/siglip-vision.js";
import type { Preprocessing } from "../pixels/preprocess.js";
import type { ResampleFilter } from "../pixels/resample-filter.js";
import { mmprojTowerName } from "./mmproj-names.js";
import { checkVisionMmproj, mmprojKeys, projectorType, shown } from "./mmproj-keys.js";

/**
 * Which positions a tower gives the patches of a grid:
 * - "fixed": the table is that of the one grid that the tower takes;
 * - "resized": the table, a square, is laid over each grid (NaFlex: LFM2-VL);
 * - "bucketed": each patch takes the entry of a large square table that lies where it lies (MiniCPM-V).
 */
export type PositionUse = "fixed" | "resized" | "bucketed";

/** A SigLIP tower as an mmproj GGUF describes it. */
export interface MmprojVision {
  readonly config: SiglipVisionConfig;
  readonly preprocessing: Preprocessing;
  /** Whether the file has a norm after the last block. */
  readonly postLayerNorm: boolean;
  readonly positions: PositionUse;
  /** The tower's names to those of the file. */
  readonly rename: (name: string) => string;
}

/** Tensors and keys that other towers have and SigLIP's does not. */
const foreignTensors = ["v.class_embd", "v.pre_ln.weight", "v.patch_embd.weight.1", "v.blk.0.attn_qkv.weight", "v.blk.0.attn_q_norm.weight", "v.blk.0.ffn_gate.weight", "v.blk.0.ls1.weight"];
const foreignKeys = ["clip.vision.attention.head_count_kv", "clip.vision.attention.head_dim", "clip.vision.n_wa_pattern", "clip.vision.wa_layer_indexes"];

/** How llama.cpp resizes for a projector type; bicubic for those that are not here. */
const filters: Readonly<Record<string, ResampleFilter>> = { idefics3: "lanczos", gemma3: "bilinear", lfm2: "bilinear" };

/** The projector types whose towers take pictures of any shape; others take one square. */
const positionUses: Readonly<Record<string, PositionUse>> = { lfm2: "resized", resampler: "bucketed" };

/**
 * Reads the vision tower's shape from an mmproj GGUF (keys as in llama.cpp's clip-impl.h).
 * The `mlp` projectors of LLaVA take the output of the last block but one unless `feature_layer` says otherwise, as
 * llama.cpp runs them; the blocks after it are not built. Images are squashed to the tower's square as SigLIP was
 * trained; llama.cpp pads them for some types.
 * @throws WeightsError naming the key or tensor that shows that this is no SigLIP tower
 */
export function readMmprojVision(source: WeightSource): MmprojVision {
  const { bad, positive, count, triple } = mmprojKeys(source);
  checkVisionMmproj(source);
  if (source.metadata.get("clip.use_gelu") !== true) throw bad("its tower does not use tanh GELU (clip.use_gelu), so it is no SigLIP tower");
  const foreign = foreignTensors.find((name) => source.tensors.has(name)) ?? foreignKeys.find((key) => source.metadata.has(key));
  if (foreign !== undefined) throw bad(`holds "${foreign}", which no SigLIP tower has; only SigLIP towers are known`);

  const type = projectorType(source);
  const imageSize = count("clip.vision.image_size");
  const config = {
    width: count("clip.vision.embedding_length"),
    layers: blocksUsed(source, type, count("clip.vision.block_count")),
    heads: count("clip.vision.attention.head_count"),
    mlpWidth: count("clip.vision.feed_forward_length"),
    layerNormEps: positive("clip.vision.attention.layer_norm_epsilon"),
    imageSize,
    patchSize: count("clip.vision.patch_size"),
  };
  const { width, heads, patchSize } = config;
  if (width % heads !== 0) throw bad(`expected clip.vision.embedding_length to be a multiple of clip.vision.attention.head_count, got ${width} and ${heads}`);
  if (patchSize > imageSize) throw bad(`expected clip.vision.patch_size to be at most clip.vision.image_size, got ${patchSize} and ${imageSize}`);
  return {
    config,
    preprocessing: {
      width: imageSize,
      height: imageSize,
      filter: filters[type] ?? "bicubic",
      rescale: 1 / 255,
      mean: triple("clip.vision.image_mean"),
      std: triple("clip.vision.image_std", true),
    },
    postLayerNorm: source.tensors.has("v.post_ln.weight"),
    positions: positionUses[type] ?? "fixed",
    rename: ggufNames(source, width),
  };
}

function blocksUsed(source: WeightSource, type: string, blocks: number): number {
  const layers = source.metadata.get("clip.vision.feature_layer");
  if (Array.isArray(layers) && layers.length > 0) {
    const layer = layers[0] as MetadataValue;
    if (layers.length > 1 || typeof layer !== "number" || layer < 1 || layer > blocks) {
      throw new WeightsError(`${source.path}: clip.vision.feature_layer: expected one layer from 1 to ${blocks}, got ${shown(layers)}`);
    }
    return layer;
  }
  return type === "mlp" ? blocks - 1 : blocks;
}

/** Older files store the MLP's two layers under each other's names; the tower's width, which the first one reads, tells. */
function ggufNames(source: WeightSource, width: number): (name: string) => string {
  const reads = (name: string): boolean => source.tensors.get(`v.blk.0.${name}.weight`)?.shape[1] === width;
  const swapped = reads("ffn_down") && !reads("ffn_up");
  const other: Readonly<Record<string, string>> = { ffn_up: "ffn_down", ffn_down: "ffn_up" };
  return (name) => {
    const renamed = mmprojTowerName(name) ?? name;
    return swapped ? renamed.replace(/ffn_(up|down)/, (part) => other[part] as string) : renamed;
  };
}
