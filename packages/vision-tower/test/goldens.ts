import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** The path of a file below test/goldens. */
export function goldenPath(name: string): string {
  return fileURLToPath(new URL(`./goldens/${name}`, import.meta.url));
}

export function goldenBytes(name: string): Uint8Array {
  return new Uint8Array(readFileSync(goldenPath(name)));
}

export function goldenJson<T>(name: string): T {
  return JSON.parse(readFileSync(goldenPath(name), "utf8")) as T;
}
