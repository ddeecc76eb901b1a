import { copyFile, open, rename, rm } from "node:fs/promises";
import path from "node:path";
import { readMmprojVision } from "@sightline/vision-tower";
import { encodedTensor, openGguf, type TensorInfo } from "@sightline/weights";
import { syncFolder, writeFully } from "../embed/durable-file.js";
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
  await using source = await openGguf(base);
  const { rename: inFile } = readMmprojVision(source);
  const nameOf = new Map(names.map((name) => [inFile(name), name]));
  const tower = [...source.tensors.values()].filter(({ name }) => name.startsWith("v."));
  const partial = `${out}.partial`;
  try {
    await copyFile(base, partial);
    await using file = await open(partial, "r+");
    for (const info of tower) {
      const name = nameOf.get(info.name);
      if (name === undefined) throw new SightlineError("model-mismatch", `finetune: ${base}: has "${info.name}", which the trained tower does not have; give the mmproj of the same tower`);
      await replaceTensor(file, info, await trained(name), base);
    }
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
