import { open, stat } from "node:fs/promises";
import path from "node:path";
import { SightlineError } from "../sightline-error.js";
import type { EmbeddingSource } from "./embedding-source.js";
import { openNpy } from "./npy-source.js";
import { openParquet } from "./parquet-source.js";

/**
 * Opens F.parquet or F.npy.
 * @throws SightlineError `bad-input` for a file that is not there, or is no file of embeddings
 */
export async function openEmbeddings(file: string, signal?: AbortSignal): Promise<EmbeddingSource> {
  const extension = path.extname(file).toLowerCase();
  if (extension !== ".parquet" && extension !== ".npy") throw new SightlineError("bad-input", `openIndex: expected F.parquet or F.npy, got ${JSON.stringify(file)}`);
  if (!(await stat(file).catch(() => undefined))?.isFile()) throw new SightlineError("bad-input", `openIndex: ${file}: no such file; write one with: sightline embed <images…> --out ${file}`);
  const handle = await open(file, "r");
  try {
    return await (extension === ".npy" ? openNpy(file, handle) : openParquet(file, handle, signal));
  } catch (cause) {
    await handle.close();
    if (cause instanceof SightlineError || signal?.aborted) throw cause;
    throw new SightlineError("bad-input", `openIndex: ${file}: cannot be read as ${extension.slice(1)}: ${(cause as Error).message}; write it again`, { cause });
  }
}
