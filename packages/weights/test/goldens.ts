import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

/** A file that tools/reference/weights wrote with gguf-py, numpy or safetensors. */
export const goldenPath = (name: string): string => fileURLToPath(new URL(`./goldens/${name}`, import.meta.url));

export async function goldenBytes(name: string): Promise<Uint8Array> {
  return new Uint8Array(await readFile(goldenPath(name)));
}

export async function goldenFloats(name: string): Promise<Float32Array> {
  return new Float32Array((await goldenBytes(name)).buffer);
}
