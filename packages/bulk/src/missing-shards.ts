import { hasPart } from "./part-file.js";
import { shardsIn } from "./run-folder.js";
import type { RunManifest } from "./run-manifest.js";

/** A folder on another machine takes its time for each file. */
const atOnce = 16;

/** Shards that have no part yet, in order. */
export async function missingShards(run: string, { id, shards }: RunManifest): Promise<number[]> {
  const named = await shardsIn(run, "parts", ".part");
  const missing: number[] = [];
  for (let first = 0; first < shards.length; first += atOnce) {
    const some = Array.from({ length: Math.min(atOnce, shards.length - first) }, (_, i) => first + i);
    const there = await Promise.all(some.map((shard) => named.has(shard) && hasPart(run, id, shard)));
    missing.push(...some.filter((_, i) => there[i] !== true));
  }
  return missing;
}
