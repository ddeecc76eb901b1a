import { copyFile, open, rename, rm } from "node:fs/promises";
import path from "node:path";
import { encodedTensor, openGguf, type TensorInfo } from "@sightline/weights";
import { syncFolder, writeFully } from "../embed/durable-file.js";
import { SightlineError } from "../sightline-error.js";

const names: readonly (readonly [RegExp, string])[] = [
  [/^v\.patch_embd\./, "vision_model.embeddings.patch_embedding."],
  [/^v\.position_embd\./, "vision_model.embeddings.position_embedding."],
  [/^v\.post_ln\./, "vision_model.post_layernorm."],
  [/^v\.blk\.(\d+)\.ln([12])\./, "vision_model.encoder.layers.$1.layer_norm$2."],
  [/^v\.blk\.(\d+)\.attn_([qkv])\./, "vision_model.encoder.layers.$1.self_attn.$2_proj."],
  [/^v\.blk\.(\d+)\.attn_out\./, "vision_model.encoder.layers.$1.self_attn.out_proj."],
];

/**
 * Puts a trained tower into an mmproj GGUF: a copy of `base`, header and projector untouched, with the tower's tensors
 * replaced where they lie, in the types that they have there.
 * @param trained a tensor of the tower in Hugging Face's layout, float32
 * @throws SightlineError `model-mismatch` naming the tensor, when the base holds another tower or a type that cannot be written
 */
export async function writeTowerIntoMmproj(base: string, out: string, trained: (name: string) => Promise<Float32Array>): Promise<void> {
  await using source = await openGguf(base);
  const tower = [...source.tensors.values()].filter(({ name }) => name.startsWith("v."));
  const up = source.tensors.get("v.blk.0.ffn_up.bias");
  const down = source.tensors.get("v.blk.0.ffn_down.bias");
  // Older converters called fc1 "down" and fc2 "up"; the wider of the two is fc1.
  const swapped = up !== undefined && down !== undefined && (up.shape[0] as number) < (down.shape[0] as number);
  const partial = `${out}.partial`;
  try {
    await copyFile(base, partial);
    await using file = await open(partial, "r+");
    for (const info of tower) await replaceTensor(file, info, await trained(towerName(info.name, swapped)), base);
    await file.sync();
    await rename(partial, out);
    await syncFolder(path.dirname(out));
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
}

async function replaceTensor(file: Parameters<typeof writeFully>[0], { name, dtype, shape, byteOffset }: TensorInfo, values: Float32Array, base: string): Promise<void> {
  const count = shape.reduce((product, dim) => product * dim, 1);
  if (values.length !== count) {
    throw new SightlineError("model-mismatch", `finetune: ${base}: "${name}" [${shape.join(", ")}] has ${count} values, the trained tower has ${values.length} there; give the mmproj of the same tower`);
  }
  let at = byteOffset;
  for await (const bytes of encodedTensor({ name, dtype, shape, data: values })) {
    await writeFully(file, bytes, at);
    at += bytes.length;
  }
}

function towerName(name: string, swapped: boolean): string {
  const feedForward = /^v\.blk\.(\d+)\.ffn_(up|down)\.(weight|bias)$/.exec(name);
  if (feedForward) {
    const first = (feedForward[2] === "up") !== swapped;
    return `vision_model.encoder.layers.${feedForward[1]}.mlp.${first ? "fc1" : "fc2"}.${feedForward[3]}`;
  }
  const rule = names.find(([pattern]) => pattern.test(name));
  if (!rule) throw new SightlineError("model-mismatch", `finetune: the mmproj has a tensor "${name}", which a SigLIP tower does not have`);
  return name.replace(rule[0], rule[1]);
}
