import { stat } from "node:fs/promises";
import { glob, isDynamicPattern } from "tinyglobby";
import { expandRanges } from "../embed/expand-ranges.js";
import { SightlineError } from "../sightline-error.js";

/**
 * The files and folders that sources of pairs stand for, in order: one that is there, itself; `shard-{000..010}.tar` each of
 * them; a pattern with `*`, what it matches, sorted.
 * @throws SightlineError `bad-input` for a pattern that matches nothing
 */
export async function namedSources(sources: readonly string[]): Promise<readonly string[]> {
  const named: string[] = [];
  for (const source of sources) {
    if (await exists(source)) named.push(source);
    else for (const one of expandRanges(source)) named.push(...(isDynamicPattern(one) ? await matches(one) : [one]));
  }
  return named;
}

async function matches(pattern: string): Promise<readonly string[]> {
  const found = await glob(pattern.replaceAll("\\", "/"), { expandDirectories: false, onlyFiles: false, absolute: true });
  if (found.length === 0) throw new SightlineError("bad-input", `finetune: ${pattern}: the pattern matches nothing; check the path`);
  return found.sort();
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
