/**
 * A SigLIP tower's tensor, by its name in a Hugging Face checkpoint (`vision_model.encoder.layers.0.mlp.fc1.weight`), as
 * llama.cpp's converter names it (`v.blk.0.ffn_up.weight`); `undefined` for one that an mmproj has not, such as the pooling
 * head's.
 */
export function mmprojTowerName(name: string): string | undefined {
  const renamed = name
    .replace("vision_model.embeddings.patch_embedding", "v.patch_embd")
    .replace("vision_model.embeddings.position_embedding", "v.position_embd")
    .replace("vision_model.post_layernorm", "v.post_ln")
    .replace("vision_model.encoder.layers.", "v.blk.")
    .replace("layer_norm", "ln")
    .replace("self_attn.out_proj", "attn_out")
    .replace(/self_attn\.([qkv])_proj/, "attn_$1")
    .replace("mlp.fc1", "ffn_up")
    .replace("mlp.fc2", "ffn_down");
  return renamed.startsWith("v.") ? renamed : undefined;
}

/** The names of a SigLIP tower's tensors without its pooling head, in a Hugging Face checkpoint's order. */
export function siglipTowerTensors(layers: number, postLayerNorm: boolean): readonly string[] {
  const both = (name: string): string[] => [`vision_model.${name}.weight`, `vision_model.${name}.bias`];
  const block = ["layer_norm1", "layer_norm2", "mlp.fc1", "mlp.fc2", "self_attn.k_proj", "self_attn.out_proj", "self_attn.q_proj", "self_attn.v_proj"];
  return [
    ...both("embeddings.patch_embedding"),
    "vision_model.embeddings.position_embedding.weight",
    ...Array.from({ length: layers }, (_, layer) => block.flatMap((part) => both(`encoder.layers.${layer}.${part}`))).flat(),
    ...(postLayerNorm ? both("post_layernorm") : []),
  ];
}
