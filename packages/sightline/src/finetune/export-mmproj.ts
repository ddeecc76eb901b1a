import { readMmprojVision } from "@sightline/vision-tower";
import { openGguf } from "@sightline/weights";
import { replaceGgufTensors } from "../models/replace-gguf-tensors.js";
import { SightlineError } from "../sightline-error.js";

/**
 * Puts a trained tower into an mmproj GGUF: a copy of `base`, header and projector untouched, with the tower's tensors
 * replaced where they lie, in the types that they have there.
 * @param names of the vision tower's tensors in Hugging Face's layout; those of its pooling head are not in the file
 * @param trained a tensor by that name, float32
 * @throws SightlineError `model-mismatch` naming the tensor, when the base holds another tower; WeightsError for a type that
 * cannot be written
 */
export async function writeTowerIntoMmproj(base: string, out: string, names: readonly string[], trained: (name: string) => Promise<Float32Array>): Promise<void> {
  await replaceGgufTensors(base, out, await towerTensors(base, names, trained));
}

async function towerTensors(base: string, names: readonly string[], trained: (name: string) => Promise<Float32Array>): Promise<ReadonlyMap<string, () => Promise<Float32Array>>> {
  await using source = await openGguf(base);
  const { rename: inFile } = readMmprojVision(source);
  const nameOf = new Map(names.map((name) => [inFile(name), name]));
  const tower = [...source.tensors.keys()].filter((name) => name.startsWith("v."));
  return new Map(
    tower.map((stored) => {
      const name = nameOf.get(stored);
      if (name === undefined) throw new SightlineError("model-mismatch", `finetune: ${base}: has "${stored}", which the trained tower does not have; give the mmproj of the same tower`);
      return [stored, () => trained(name)];
    }),
  );
}
