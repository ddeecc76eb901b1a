import { WeightsError, type MetadataValue, type WeightSource } from "@sightline/weights";
import type { SiglipVisionConfig } from "../models/siglip-vision.js";
import type { Preprocessing } from "../pixels/preprocess.js";

/** A SigLIP tower as an mmproj GGUF describes it. */
export interface MmprojVision {
  readonly config: SiglipVisionConfig;
  readonly preprocessing: Preprocessing;
  /** Whether the file has a norm after the last block. */
  readonly postLayerNorm: boolean;
  /** The tower's names to those of the file. */
  readonly rename: (name: string) => string;
}

/**
 * Reads the vision tower's shape from an mmproj GGUF (keys as in llama.cpp's clip-impl.h).
 * The `mlp` projectors of LLaVA take the output of the last block but one unless `feature_layer` says otherwise, as
 * llama.cpp runs them; the blocks after it are not built.
 * @throws WeightsError naming the key or tensor that shows that this is no SigLIP tower
 */
export function readMmprojVision(source: WeightSource): MmprojVision {
  const bad = (problem: string): WeightsError => new WeightsError(`${source.path}: ${problem}`);
  const number = (key: string): number => {
    const value = source.metadata.get(key);
    if (typeof value !== "number" || !(value > 0)) throw bad(`expected ${key} to be a positive number, got ${shown(value)}`);
    return value;
  };
  if (source.format !== "gguf" || source.metadata.get("general.architecture") !== "clip") {
    throw bad(`expected an mmproj GGUF (general.architecture "clip"), got ${shown(source.metadata.get("general.architecture"))}`);
  }
  if (source.metadata.get("clip.has_vision_encoder") !== true) throw bad("has no vision encoder (clip.has_vision_encoder)");
  if (source.metadata.get("clip.use_gelu") !== true) throw bad("its tower does not use tanh GELU (clip.use_gelu), so it is no SigLIP tower");
  for (const name of ["v.class_embd", "v.pre_ln.weight"]) if (source.tensors.has(name)) throw bad(`holds "${name}", which no SigLIP tower has`);

  const blocks = number("clip.vision.block_count");
  const imageSize = number("clip.vision.image_size");
  return {
    config: {
      width: number("clip.vision.embedding_length"),
      layers: blocksUsed(source, blocks),
      heads: number("clip.vision.attention.head_count"),
      mlpWidth: number("clip.vision.feed_forward_length"),
      layerNormEps: number("clip.vision.attention.layer_norm_epsilon"),
      imageSize,
      patchSize: number("clip.vision.patch_size"),
    },
    preprocessing: {
      width: imageSize,
      height: imageSize,
      filter: "bicubic",
      rescale: 1 / 255,
      mean: triple(source, "clip.vision.image_mean"),
      std: triple(source, "clip.vision.image_std"),
    },
    postLayerNorm: source.tensors.has("v.post_ln.weight"),
    rename: ggufNames(source),
  };
}

function blocksUsed(source: WeightSource, blocks: number): number {
  const layers = source.metadata.get("clip.vision.feature_layer");
  if (Array.isArray(layers) && layers.length > 0) {
    const layer = layers[0] as MetadataValue;
    if (layers.length > 1 || typeof layer !== "number" || layer < 1 || layer > blocks) {
      throw new WeightsError(`${source.path}: clip.vision.feature_layer: expected one layer from 1 to ${blocks}, got ${shown(layers)}`);
    }
    return layer;
  }
  return source.metadata.get("clip.projector_type") === "mlp" ? blocks - 1 : blocks;
}

function triple(source: WeightSource, key: string): readonly [number, number, number] {
  const value = source.metadata.get(key);
  if (!Array.isArray(value) || value.length !== 3 || !value.every((entry) => typeof entry === "number")) {
    throw new WeightsError(`${source.path}: expected ${key} to be three numbers, got ${shown(value)}`);
  }
  return value as unknown as readonly [number, number, number];
}

/** Older files store the MLP's two layers under each other's names; the wider side of a matrix tells which is which. */
function ggufNames(source: WeightSource): (name: string) => string {
  const up = source.tensors.get("v.blk.0.ffn_up.weight");
  const swapped = up !== undefined && (up.shape[0] as number) < (up.shape[1] as number);
  const [fc1, fc2] = swapped ? ["ffn_down", "ffn_up"] : ["ffn_up", "ffn_down"];
  return (name) =>
    name
      .replace("vision_model.embeddings.patch_embedding", "v.patch_embd")
      .replace("vision_model.embeddings.position_embedding", "v.position_embd")
      .replace("vision_model.post_layernorm", "v.post_ln")
      .replace("vision_model.encoder.layers.", "v.blk.")
      .replace("layer_norm", "ln")
      .replace("self_attn.out_proj", "attn_out")
      .replace(/self_attn\.([qkv])_proj/, "attn_$1")
      .replace("mlp.fc1", fc1 as string)
      .replace("mlp.fc2", fc2 as string);
}

function shown(value: MetadataValue | undefined): string {
  return value === undefined ? "nothing" : JSON.stringify(value, (_, entry: unknown) => (typeof entry === "bigint" ? String(entry) : entry)).slice(0, 80);
}
