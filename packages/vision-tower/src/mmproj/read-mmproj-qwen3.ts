import type { WeightSource } from "@sightline/weights";
import type { Qwen3Vision } from "../grid-tower/qwen3-grid-tower.js";
import { checkVisionMmproj, mmprojKeys } from "./mmproj-keys.js";

/**
 * Reads Qwen3-VL's vision tower from an mmproj GGUF (keys and tensors as in llama.cpp's clip.cpp).
 * @throws WeightsError naming the key or tensor that shows that this is no such tower
 */
export function readMmprojQwen3(source: WeightSource): Qwen3Vision {
  const { bad, positive, count, triple } = mmprojKeys(source);
  checkVisionMmproj(source);
  if (source.metadata.get("clip.use_gelu") !== true) throw bad("its tower does not use tanh GELU (clip.use_gelu), so it is no Qwen3-VL tower");
  const foreign = ["v.blk.0.ffn_gate.weight", "v.pre_ln.weight", "v.class_embd", "v.blk.0.attn_q_norm.weight"].find((name) => source.tensors.has(name));
  if (foreign !== undefined) throw bad(`holds "${foreign}", which no Qwen3-VL tower has`);
  const deepstack = [...source.tensors.keys()].map((name) => /^v\.deepstack\.(\d+)\.fc1\.weight$/.exec(name)?.[1]).filter((layer) => layer !== undefined);
  const layers = count("clip.vision.block_count");
  const deepstackLayers = deepstack.map(Number).toSorted((a, b) => a - b);
  const beyond = deepstackLayers.find((layer) => layer >= layers);
  if (beyond !== undefined) throw bad(`holds "v.deepstack.${beyond}.fc1.weight", but clip.vision.block_count is ${layers}`);
  const size = count("clip.vision.image_size");
  return {
    config: {
      width: count("clip.vision.embedding_length"),
      layers,
      heads: count("clip.vision.attention.head_count"),
      mlpWidth: count("clip.vision.feed_forward_length"),
      layerNormEps: positive("clip.vision.attention.layer_norm_epsilon"),
      patchSize: count("clip.vision.patch_size"),
      deepstackLayers,
    },
    mergeSize: source.metadata.has("clip.vision.spatial_merge_size") ? count("clip.vision.spatial_merge_size") : 2,
    preprocessing: { width: size, height: size, filter: "bicubic", rescale: 1 / 255, mean: triple("clip.vision.image_mean"), std: triple("clip.vision.image_std", true) },
    kernels: { frames: ["v.patch_embd.weight", "v.patch_embd.weight.1"] },
    rename: ggufName,
  };
}

function ggufName(name: string): string {
  return name
    .replace(/^patch_embed\.proj\./, "v.patch_embd.")
    .replace(/^pos_embed\./, "v.position_embd.")
    .replace(/^blocks\.(\d+)\./, "v.blk.$1.")
    .replace(/\.norm([12])\./, ".ln$1.")
    .replace(".attn.qkv.", ".attn_qkv.")
    .replace(".attn.proj.", ".attn_out.")
    .replace(".mlp.fc1.", ".ffn_up.")
    .replace(".mlp.fc2.", ".ffn_down.");
}
