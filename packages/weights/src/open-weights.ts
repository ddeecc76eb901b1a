import { stat } from "node:fs/promises";
import path from "node:path";
import { openFile, readAt } from "./file-bytes.js";
import { openGguf } from "./gguf.js";
import { openSafetensors } from "./safetensors.js";
import type { WeightSource } from "./weight-source.js";
import { WeightsError } from "./weights-error.js";

/** Those that are looked for, the first that is there. */
const namesInDirectory = ["model.safetensors", "model.safetensors.index.json", "open_clip_model.safetensors"] as const;

/**
 * Opens weights by what they are: a .safetensors file, an index of shards, a GGUF file (told by its first bytes), or a
 * directory that holds `model.safetensors`, `model.safetensors.index.json` or open_clip's `open_clip_model.safetensors`.
 * @throws WeightsError naming what was looked for
 */
export async function openWeights(where: string): Promise<WeightSource> {
  const stats = await stat(where).catch((cause: unknown) => {
    const code = (cause as NodeJS.ErrnoException).code;
    throw new WeightsError(`openWeights: ${where}: ${code === "ENOENT" || code === "ENOTDIR" ? "no such file or directory" : `cannot be opened (${code})`}`, { cause });
  });
  if (stats.isDirectory()) return openSafetensors(await inDirectory(where));
  if (where.endsWith(".json")) return openSafetensors(where);
  return (await startsWithGguf(where)) ? openGguf(where) : openSafetensors(where);
}

async function inDirectory(directory: string): Promise<string> {
  for (const name of namesInDirectory) {
    const file = path.join(directory, name);
    if (await stat(file).catch(() => undefined)) return file;
  }
  throw new WeightsError(`openWeights: ${directory}: holds none of ${namesInDirectory.join(", ")}`);
}

async function startsWithGguf(where: string): Promise<boolean> {
  const { file, size } = await openFile(where);
  try {
    const start = new Uint8Array(Math.min(4, size));
    await readAt(file, where, start, 0);
    return String.fromCharCode(...start) === "GGUF";
  } finally {
    await file.close();
  }
}
