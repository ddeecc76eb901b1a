import { readMmprojVision } from "@sightline/vision-tower";
import { openGguf } from "@sightline/weights";
import { copyMmproj } from "../convert/mmproj-file.js";
import { SightlineError } from "../sightline-error.js";

/**
 * Puts a trained tower into an mmproj GGUF: a copy of `base`, metadata and projector untouched, with the tower's tensors
 * replaced, in the types that they have there.
 * @param names of the vision tower's tensors in Hugging Face's layout; those of its pooling head are not in the file
 * @param trained a tensor by that name, float32
 * @throws SightlineError `model-mismatch` naming the tensor, when the base holds another tower; WeightsError for a type that
 * cannot be written
 */
export async function writeTowerIntoMmproj(base: string, out: string, names: readonly string[], trained: (name: string) => Promise<Float32Array>): Promise<void> {
  await using source = await openGguf(base);
  const { rename: inFile } = readMmprojVision(source);
  const nameOf = new Map(names.map((name) => [inFile(name), name]));
  await copyMmproj(base, out, ({ name, shape }) => {
    if (!name.startsWith("v.")) return undefined;
    const stored = nameOf.get(name);
    if (stored === undefined) throw new SightlineError("model-mismatch", `finetune: ${base}: has "${name}", which the trained tower does not have; give the mmproj of the same tower`);
    return async () => {
      const values = await trained(stored);
      const count = shape.reduce((product, side) => product * side, 1);
      if (values.length === count) return values;
      throw new SightlineError("model-mismatch", `finetune: ${base}: "${name}" [${shape.join(", ")}] has ${count} values, the trained tower has ${values.length} there; give the mmproj of the same tower`);
    };
  });
}
