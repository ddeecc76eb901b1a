import { constants } from "node:fs";
import { copyFile, open, rename, rm } from "node:fs/promises";
import path from "node:path";
import { encodedTensor, openGguf, type TensorInfo } from "@sightline/weights";
import { syncFolder, writeFully } from "../embed/durable-file.js";
import { SightlineError } from "../sightline-error.js";

/** Types that float32 values can be written as. */
const writable: ReadonlySet<string> = new Set(["F32", "F16", "BF16", "Q8_0"]);

/** Whether a tensor can be replaced where it lies. */
export function isWritable({ dtype }: Pick<TensorInfo, "dtype">): boolean {
  return writable.has(dtype);
}

/**
 * A copy of a GGUF with other values for some tensors, written where they lie, in the types that they have there; the rest
 * stays as it is, to the byte.
 * @param replacements float32 values by the file's names, asked for one at a time
 * @throws SightlineError `model-mismatch` naming a tensor of another size; WeightsError for a type that cannot be written
 */
export async function replaceGgufTensors(base: string, out: string, replacements: ReadonlyMap<string, () => Promise<Float32Array>>): Promise<void> {
  await using source = await openGguf(base);
  const partial = `${out}.partial`;
  try {
    // Where the file system can, the copy takes no room of its own.
    await copyFile(base, partial, constants.COPYFILE_FICLONE);
    await using file = await open(partial, "r+");
    for (const [name, values] of replacements) {
      const info = source.tensors.get(name);
      if (!info) throw new SightlineError("model-mismatch", `finetune: ${base}: holds no "${name}", which was trained; give the file of the same model`);
      await replaceTensor(file, info, await values(), base);
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
    throw new SightlineError("model-mismatch", `finetune: ${base}: "${name}" [${shape.join(", ")}] has ${count} values, the trained model has ${values.length} there; give the file of the same model`);
  }
  let at = byteOffset;
  for await (const bytes of encodedTensor({ name, dtype, shape, data: values })) {
    await writeFully(file, bytes, at);
    at += bytes.length;
  }
}
