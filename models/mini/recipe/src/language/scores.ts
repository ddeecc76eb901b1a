import { objects } from "../objects.js";
import type { SceneSpec } from "../scenes/scene-spec.js";

/** Names that a caption got right, names that it made up, and names that it left out. */
export interface CaptionScore {
  readonly truePositives: number;
  readonly falsePositives: number;
  readonly falseNegatives: number;
}

const nameOfWord: ReadonlyMap<string, string> = new Map(
  objects.flatMap(({ name, plural }): [string, string][] => [[name, name], [plural, name]]),
);

/** Object names that a text mentions, singular or plural, as whole words. */
export function mentionedNames(text: string): ReadonlySet<string> {
  const names = new Set<string>();
  for (const word of text.toLowerCase().match(/[a-z]+/g) ?? []) {
    const name = nameOfWord.get(word);
    if (name !== undefined) names.add(name);
  }
  return names;
}

/** Compares the names that a caption mentions with those of the scene; repeats count once. */
export function scoreCaption(caption: string, spec: SceneSpec): CaptionScore {
  const mentioned = mentionedNames(caption);
  const shown = new Set(spec.objects.map((object) => object.name));
  let truePositives = 0;
  for (const name of mentioned) if (shown.has(name)) truePositives++;
  return { truePositives, falsePositives: mentioned.size - truePositives, falseNegatives: shown.size - truePositives };
}

/** F1 over all names of all captions together (micro-averaged); 1 where there was nothing to name and nothing was named. */
export function objectF1(scores: readonly CaptionScore[]): number {
  let hits = 0;
  let misses = 0;
  for (const score of scores) {
    hits += 2 * score.truePositives;
    misses += score.falsePositives + score.falseNegatives;
  }
  return hits + misses === 0 ? 1 : hits / (hits + misses);
}
