import { existsSync } from "node:fs";
import { stat } from "node:fs/promises";
import path from "node:path";
import { openFile, readStart } from "./file-source.js";
import { openGguf } from "./gguf.js";
import { openSafetensors } from "./safetensors.js";
import type { WeightSource } from "./weight-source.js";
import { WeightsError } from "./weights-error.js";

/**
 * Opens weights by what they are: a .safetensors file, an index of shards, a GGUF file (told by its first bytes), or a
 * directory that holds `model.safetensors` or `model.safetensors.index.json`.
 * @throws WeightsError naming what was looked for
 */
export async function openWeights(where: string): Promise<WeightSource> {
  const stats = await stat(where).catch((cause: unknown) => {
    throw new WeightsError(`openWeights: ${where}: no such file or directory`, { cause });
  });
  if (stats.isDirectory()) {
    const candidates = ["model.safetensors", "model.safetensors.index.json"].map((name) => path.join(where, name));
    const found = candidates.find((candidate) => existsSync(candidate));
    if (!found) throw new WeightsError(`openWeights: ${where}: holds neither model.safetensors nor model.safetensors.index.json`);
    return openSafetensors(found);
  }
  if (where.endsWith(".json")) return openSafetensors(where);
  const { file, size } = await openFile(where);
  const start = await readStart(file, Math.min(4, size)).finally(() => file.close());
  return String.fromCharCode(...start) === "GGUF" ? openGguf(where) : openSafetensors(where);
}
