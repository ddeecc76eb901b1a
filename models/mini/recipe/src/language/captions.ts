import type { ColourName } from "../art/colour.js";
import { isPluralOnly, capitalise, groupObjects, groupPhrase, joinPhrases, type ObjectGroup } from "./phrases.js";
import type { Random } from "../scenes/random.js";
import type { SceneSpec } from "../scenes/scene-spec.js";

/** "I see a cat, two dogs and a bus.", from left to right: the one answer to "What do you see?". */
export function canonicalCaption(spec: SceneSpec): string {
  return `I see ${joinPhrases(groupObjects(spec.objects).map(groupPhrase))}.`;
}

const openings: readonly ((list: string, are: string) => string)[] = [
  (list) => `I see ${list}`,
  (list, are) => `There ${are} ${list}`,
  (list, are) => `There ${are} ${list} in the picture`,
  (list) => `This picture shows ${list}`,
  (list) => `The image shows ${list}`,
  (list) => `A picture of ${list}`,
  (list) => `A photo of ${list}`,
  (list) => `An image of ${list}`,
  (list) => `A drawing of ${list}`,
  (list, are) => `Here ${are} ${list}`,
  (list) => `You can see ${list}`,
  (list) => capitalise(list),
];

/** A true caption in varied wording: order, opening, colours and background come from `rng`. */
export function captionFor(spec: SceneSpec, rng: Random): string {
  const groups = [...groupObjects(spec.objects)];
  if (rng.chance(0.5)) rng.shuffle(groups);
  const colours = rng.chance(0.35);
  const list = joinPhrases(groups.map((group) => (colours ? colouredPhrase(group) : groupPhrase(group))));
  const first = groups[0];
  const are = first !== undefined && (first.members.length > 1 || isPluralOnly(first.name)) ? "are" : "is";
  const background = backgroundName(spec);
  const behind = background !== undefined && rng.chance(0.3) ? ` on ${articleOf(background)} ${background} background` : "";
  return `${rng.choice(openings)(list, are)}${behind}.`;
}

/** The word for a flat background that has one. */
export function backgroundName(spec: SceneSpec): ColourName | undefined {
  return spec.background.kind === "flat" ? spec.background.name : undefined;
}

/** The group with its colour where one object has a clear one: "a red bus". */
function colouredPhrase(group: ObjectGroup): string {
  const [only, another] = group.members;
  if (only?.colour === undefined || another !== undefined) return groupPhrase(group);
  return isPluralOnly(group.name) ? `${only.colour} ${group.name}` : `${articleOf(only.colour)} ${only.colour} ${group.name}`;
}

function articleOf(colour: ColourName): string {
  return colour === "orange" ? "an" : "a";
}
