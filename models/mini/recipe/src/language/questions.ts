import { objectNames } from "../objects.js";
import type { Random } from "../scenes/random.js";
import type { SceneObject, SceneSpec } from "../scenes/scene-spec.js";
import { backgroundName, canonicalCaption } from "./captions.js";
import { objectsAtSide, objectsTowards, placeOf } from "./geometry.js";
import { capitalise, groupObjects, groupPhrase, isPluralOnly, joinPhrases, numberWord, objectsNamed } from "./phrases.js";
import {
  backgroundQuestion,
  colourQuestion,
  countAllQuestion,
  countQuestion,
  describeQuestion,
  presenceQuestion,
  relationQuestion,
  sideQuestion,
  varySurface,
  whereQuestion,
  type Direction,
  type Side,
} from "./wordings.js";

/** What a question asks for. */
export type QuestionKind = "describe" | "presence" | "countAll" | "count" | "where" | "colour" | "background" | "relation" | "side";

/** A question about one scene with its one right answer. */
export interface Question {
  readonly question: string;
  readonly answer: string;
  readonly kind: QuestionKind;
}

const kindWeights: Readonly<Record<QuestionKind, number>> = {
  describe: 0.27,
  presence: 0.28,
  countAll: 0.06,
  count: 0.1,
  where: 0.1,
  colour: 0.1,
  background: 0.04,
  relation: 0.06,
  side: 0.04,
};

const kinds = Object.keys(kindWeights) as QuestionKind[];

/**
 * Up to `count` different questions of mixed kinds, each with the answer that the scene gives.
 * @param shares how often a kind is drawn, where that is not as usual
 */
export function questionsFor(spec: SceneSpec, rng: Random, count: number, shares: Partial<Record<QuestionKind, number>> = {}): Question[] {
  const weights = kinds.map((kind) => shares[kind] ?? kindWeights[kind]);
  const questions: Question[] = [];
  const asked = new Set<string>();
  for (let attempt = 0; questions.length < count && attempt < count * 20; attempt++) {
    const question = questionOfKind(spec, rng, kinds[rng.weighted(weights)] as QuestionKind);
    if (question === undefined || asked.has(question.question)) continue;
    asked.add(question.question);
    questions.push(question);
  }
  return questions;
}

/** One question of a kind, or `undefined` where the scene gives no clear answer to the one drawn. */
export function questionOfKind(spec: SceneSpec, rng: Random, kind: QuestionKind): Question | undefined {
  const drawn = askers[kind](spec, rng);
  return drawn === undefined ? undefined : { question: varySurface(drawn.question, rng), answer: drawn.answer, kind };
}

type Drawn = { readonly question: string; readonly answer: string } | undefined;

const askers: Readonly<Record<QuestionKind, (spec: SceneSpec, rng: Random) => Drawn>> = {
  describe: (spec, rng) => ({ question: describeQuestion(rng, spec.objects.length === 1), answer: canonicalCaption(spec) }),
  presence: askPresence,
  countAll: (spec, rng) => ({ question: countAllQuestion(rng), answer: `${capitalise(countWord(spec.objects.length))}.` }),
  count: askCount,
  where: askWhere,
  colour: askColour,
  background: askBackground,
  relation: askRelation,
  side: askSide,
};

/** Half of the questions ask for something that is not there. */
function askPresence(spec: SceneSpec, rng: Random): Drawn {
  const name = rng.chance(0.5) ? shownName(spec, rng) : absentName(spec, rng);
  const shown = objectsNamed(spec, name);
  const question = presenceQuestion(rng, name, spec.objects.length === 1);
  if (shown.length === 0) return { question, answer: `No, ${thereIsNo(name)}.` };
  const are = shown.length > 1 || isPluralOnly(name) ? "are" : "is";
  return { question, answer: `Yes, there ${are} ${groupPhrase({ name, members: shown })}.` };
}

function askCount(spec: SceneSpec, rng: Random): Drawn {
  const name = rng.chance(0.5) ? shownName(spec, rng) : absentName(spec, rng);
  return { question: countQuestion(rng, name), answer: `${capitalise(countWord(objectsNamed(spec, name).length))}.` };
}

function askWhere(spec: SceneSpec, rng: Random): Drawn {
  if (rng.chance(0.4)) return askAbout(whereQuestion, absentName(spec, rng), rng);
  const object = onlyOneOfItsName(spec, rng);
  const place = object === undefined ? undefined : placeOf(object);
  if (object === undefined || place === undefined) return undefined;
  return { question: whereQuestion(rng, object.name), answer: `${isPluralOnly(object.name) ? "They are" : "It is"} ${place}.` };
}

function askColour(spec: SceneSpec, rng: Random): Drawn {
  if (rng.chance(0.1)) return askAbout(colourQuestion, absentName(spec, rng), rng);
  const object = onlyOneOfItsName(spec, rng);
  if (object?.colour === undefined) return undefined;
  return { question: colourQuestion(rng, object.name), answer: `${capitalise(object.colour)}.` };
}

function askBackground(spec: SceneSpec, rng: Random): Drawn {
  const name = backgroundName(spec);
  return name === undefined ? undefined : { question: backgroundQuestion(rng), answer: `${capitalise(name)}.` };
}

const directions: readonly Direction[] = ["left", "right", "above", "below"];

function askRelation(spec: SceneSpec, rng: Random): Drawn {
  const anchor = onlyOneOfItsName(spec, rng);
  if (anchor === undefined) return undefined;
  const direction = rng.choice(directions);
  const found = objectsTowards(anchor, spec.objects.filter((object) => object !== anchor), direction);
  if (found === undefined) return undefined;
  // A lone object has nothing beside it: asked rarely, or "Nothing." would win by its number.
  if (spec.objects.length === 1 && rng.chance(0.8)) return undefined;
  return { question: relationQuestion(rng, direction, anchor.name), answer: listAnswer(found) };
}

const sides: readonly Side[] = ["left", "right", "top", "bottom", "middle"];

function askSide(spec: SceneSpec, rng: Random): Drawn {
  const side = rng.choice(sides);
  const found = objectsAtSide(spec.objects, side);
  if (found === undefined || (found.length === 0 && rng.chance(0.4))) return undefined;
  return { question: sideQuestion(rng, side), answer: listAnswer(found) };
}

/** A question about something that is not there. */
function askAbout(wording: (rng: Random, name: string) => string, name: string, rng: Random): Drawn {
  return { question: wording(rng, name), answer: `${capitalise(thereIsNo(name))}.` };
}

function listAnswer(found: readonly SceneObject[]): string {
  return `${capitalise(joinPhrases(groupObjects(found).map(groupPhrase)))}.`;
}

function thereIsNo(name: string): string {
  return `there ${isPluralOnly(name) ? "are" : "is"} no ${name}`;
}

function countWord(count: number): string {
  return count === 0 ? "none" : numberWord(count);
}

function shownName(spec: SceneSpec, rng: Random): string {
  return rng.choice([...new Set(spec.objects.map((object) => object.name))]);
}

function absentName(spec: SceneSpec, rng: Random): string {
  for (;;) {
    const name = rng.choice(objectNames);
    if (objectsNamed(spec, name).length === 0) return name;
  }
}

function onlyOneOfItsName(spec: SceneSpec, rng: Random): SceneObject | undefined {
  const unique = spec.objects.filter((object) => objectsNamed(spec, object.name).length === 1);
  return unique.length === 0 ? undefined : rng.choice(unique);
}
