import type { WeightSource } from "@sightline/weights";

/**
 * What stands before a tower's names in a checkpoint, since releases of transformers differ: the part before the one
 * tensor that ends with `ending`.
 * @param fail throws what the caller throws
 */
export function towerPrefix(source: WeightSource, ending: string, fail: (problem: string) => never): string {
  const found = [...source.tensors.keys()].filter((name) => name.endsWith(ending) && !name.includes("text_model."));
  if (found.length !== 1) fail(`expected the weights to hold one tensor that ends with "${ending}", got ${found.length === 0 ? "none" : found.join(", ")}`);
  return (found[0] as string).slice(0, -ending.length);
}
