import { objectNamed, withArticle } from "../objects.js";
import type { SceneObject, SceneSpec } from "../scenes/scene-spec.js";

/** Objects of one name, in the order from left to right. */
export interface ObjectGroup {
  readonly name: string;
  readonly members: readonly SceneObject[];
}

/** How many of one name a scene shows at most, in words. */
const numberWords: readonly string[] = ["no", "one", "two", "three", "four", "five", "six"];

/** 2 as "two"; digits beyond six. */
export function numberWord(count: number): string {
  return numberWords[count] ?? String(count);
}

/** The scene's objects by name; groups in the order of their leftmost member. */
export function groupObjects(objects: readonly SceneObject[]): readonly ObjectGroup[] {
  const groups = new Map<string, SceneObject[]>();
  for (const object of objects.toSorted((a, b) => a.cx - b.cx)) {
    const members = groups.get(object.name);
    if (members === undefined) groups.set(object.name, [object]);
    else members.push(object);
  }
  return [...groups].map(([name, members]) => ({ name, members }));
}

/** "a cat", "two cats", "scissors". */
export function groupPhrase(group: ObjectGroup): string {
  const count = group.members.length;
  return count === 1 ? withArticle(group.name) : `${numberWord(count)} ${objectNamed(group.name).plural}`;
}

/** "a, b and c". */
export function joinPhrases(phrases: readonly string[]): string {
  if (phrases.length < 2) return phrases[0] ?? "nothing";
  return `${phrases.slice(0, -1).join(", ")} and ${phrases[phrases.length - 1]}`;
}

/** The first letter in upper case. */
export function capitalise(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** True for words that take "are" even for one thing ("scissors"). */
export function isPluralOnly(name: string): boolean {
  return objectNamed(name).article === "";
}

/** The members of the scene that bear a name. */
export function objectsNamed(spec: SceneSpec, name: string): readonly SceneObject[] {
  return spec.objects.filter((object) => object.name === name);
}
