import { createHash } from "node:crypto";
import { readdir, stat } from "node:fs/promises";
import path from "node:path";
import { fileFingerprint } from "@sightline/decoder";

/** Tells models apart without reading them whole: by samples of the file, or of a checkpoint's weights and settings. */
export async function fingerprintOf(model: string): Promise<string> {
  if (!(await stat(model)).isDirectory()) return fileFingerprint(model);
  const hash = createHash("sha256");
  for (const name of (await readdir(model)).sort()) {
    if (/\.(safetensors|json)$/.test(name)) hash.update(`${name} ${await fileFingerprint(path.join(model, name))}\n`);
  }
  return hash.digest("hex");
}
