import { objectNamed, withArticle } from "../objects.js";
import type { Random } from "../scenes/random.js";
import { isPluralOnly } from "./phrases.js";

const pictureWords: readonly string[] = ["picture", "picture", "image", "image", "photo", "scene"];

/** Adds a place to a question in some draws: " in the picture", " here", or nothing. */
function somewhere(rng: Random): string {
  const kind = rng.weighted([0.4, 0.35, 0.15, 0.1]);
  if (kind === 0) return "";
  if (kind === 1) return ` in the ${rng.choice(pictureWords)}`;
  return kind === 2 ? ` in this ${rng.choice(pictureWords)}` : " here";
}

/** People type freely: some write no capital, some no question mark, some a polite word. */
export function varySurface(question: string, rng: Random): string {
  let text = question;
  if (rng.chance(0.04)) text = `Please tell me: ${text.charAt(0).toLowerCase()}${text.slice(1)}`;
  if (rng.chance(0.25)) text = text.charAt(0).toLowerCase() + text.slice(1);
  if (rng.chance(0.2)) text = text.replace(/[?.]$/, "");
  return text;
}

type Wording = (rng: Random) => string;

const describeWordings: readonly Wording[] = [
  () => "What do you see?",
  () => "What do you see?",
  (rng) => `What do you see${somewhere(rng)}?`,
  (rng) => `What can you see${somewhere(rng)}?`,
  (rng) => `What is in the ${rng.choice(pictureWords)}?`,
  (rng) => `What is in this ${rng.choice(pictureWords)}?`,
  (rng) => `What's in the ${rng.choice(pictureWords)}?`,
  (rng) => `What is shown${somewhere(rng)}?`,
  (rng) => `What does the ${rng.choice(pictureWords)} show?`,
  (rng) => `What does this ${rng.choice(pictureWords)} show?`,
  (rng) => `Describe the ${rng.choice(pictureWords)}.`,
  (rng) => `Describe this ${rng.choice(pictureWords)}.`,
  (rng) => `Describe what you see${somewhere(rng)}.`,
  (rng) => `Tell me what you see${somewhere(rng)}.`,
  (rng) => `Tell me what is in the ${rng.choice(pictureWords)}.`,
  (rng) => `Which objects are there${somewhere(rng)}?`,
  (rng) => `What objects are there${somewhere(rng)}?`,
  (rng) => `What objects do you see${somewhere(rng)}?`,
  (rng) => `Which things can you see${somewhere(rng)}?`,
  (rng) => `What things are${somewhere(rng) || " there"}?`,
  (rng) => `Name the objects${somewhere(rng)}.`,
  (rng) => `List the objects${somewhere(rng)}.`,
  (rng) => `List everything${somewhere(rng)}.`,
  (rng) => `What is there${somewhere(rng)}?`,
  () => "Describe it.",
  () => "Caption this.",
  (rng) => `Write a caption for the ${rng.choice(pictureWords)}.`,
  () => "What is this a picture of?",
  () => "What are the objects?",
];

const whatIsThisWordings: readonly Wording[] = [
  () => "What is this?",
  () => "What is it?",
  () => "What's this?",
  () => "What is that?",
  () => "What object is this?",
  () => "What object is it?",
  () => "Which object is this?",
  () => "Which object do you see?",
  () => "Name the object.",
  (rng) => `What is the object${somewhere(rng)}?`,
];

/** Asks for the canonical caption; "What is this?" only where there is one thing to ask about. */
export function describeQuestion(rng: Random, single: boolean): string {
  return rng.choice(single && rng.chance(0.4) ? whatIsThisWordings : describeWordings)(rng);
}

const presenceWordings: readonly ((a: string, name: string, plural: string, where: string, picture: string) => string)[] = [
  (a, _n, _p, where) => `Is there ${a}${where}?`,
  (a, _n, _p, where) => `Is there ${a}${where}?`,
  (_a, name, _p, where) => `Is there any ${name}${where}?`,
  (_a, _n, plural, where) => `Are there any ${plural}${where}?`,
  (_a, _n, plural, where) => `Are there ${plural}${where}?`,
  (a, _n, _p, where) => `Can you see ${a}${where}?`,
  (a, _n, _p, where) => `Do you see ${a}${where}?`,
  (_a, _n, plural, where) => `Do you see any ${plural}${where}?`,
  (a, _n, _p, _w, picture) => `Does the ${picture} show ${a}?`,
  (a, _n, _p, _w, picture) => `Does the ${picture} contain ${a}?`,
  (a, _n, _p, _w, picture) => `Does this ${picture} have ${a}?`,
  (a, _n, _p, _w, picture) => `Is ${a} in the ${picture}?`,
  (_a, name, _p, _w, picture) => `Is the ${name} in the ${picture}?`,
  (a, _n, _p, where) => `Is ${a} shown${where}?`,
  (a, _n, _p, where) => `Is ${a} visible${where}?`,
  (a, _n, _p, _w, picture) => `Do you find ${a} in the ${picture}?`,
  (a) => `Any ${a.replace(/^an? /, "")}?`,
];

/** Asks whether a name is shown. */
export function presenceQuestion(rng: Random, name: string, single: boolean): string {
  const { plural } = objectNamed(name);
  const a = withArticle(name);
  if (single && rng.chance(0.15)) return rng.choice(isPluralOnly(name) ? [`Are these ${name}?`] : [`Is this ${a}?`, `Is it ${a}?`]);
  const question = rng.choice(presenceWordings)(a, name, plural, somewhere(rng), rng.choice(pictureWords));
  return isPluralOnly(name) ? question.replace(/^Is /, "Are ") : question;
}

/** Asks how many objects there are. */
export function countAllQuestion(rng: Random): string {
  return rng.choice<Wording>([
    (r) => `How many objects are there${somewhere(r)}?`,
    (r) => `How many objects do you see${somewhere(r)}?`,
    (r) => `How many things are there${somewhere(r)}?`,
    (r) => `How many things can you see${somewhere(r)}?`,
    (r) => `How many objects are${somewhere(r) || " there"}?`,
    (r) => `Count the objects${somewhere(r)}.`,
    (r) => `What is the number of objects${somewhere(r)}?`,
  ])(rng);
}

/** Asks how many of a name there are. */
export function countQuestion(rng: Random, name: string): string {
  const { plural } = objectNamed(name);
  return rng.choice<Wording>([
    (r) => `How many ${plural} are there${somewhere(r)}?`,
    (r) => `How many ${plural} are there${somewhere(r)}?`,
    (r) => `How many ${plural} do you see${somewhere(r)}?`,
    (r) => `How many ${plural} can you see${somewhere(r)}?`,
    (r) => `How many ${plural} does the ${r.choice(pictureWords)} show?`,
    (r) => `How many ${plural} are${somewhere(r) || " there"}?`,
    (r) => `Count the ${plural}${somewhere(r)}.`,
    () => `How many ${plural}?`,
    (r) => `What is the number of ${plural}${somewhere(r)}?`,
  ])(rng);
}

/** Asks where a name is. */
export function whereQuestion(rng: Random, name: string): string {
  const be = isPluralOnly(name) ? "are" : "is";
  return rng.choice<Wording>([
    (r) => `Where ${be} the ${name}${somewhere(r)}?`,
    () => `Where ${be} the ${name}?`,
    () => `Where ${be} ${withArticle(name)}?`,
    () => `Where do you see the ${name}?`,
    () => `Where can I find the ${name}?`,
    (r) => `In which part of the ${r.choice(pictureWords)} ${be} the ${name}?`,
    () => `Where exactly ${be} the ${name}?`,
    (r) => `What is the position of the ${name}${somewhere(r)}?`,
  ])(rng);
}

/** Asks for the colour of a name, spelt either way. */
export function colourQuestion(rng: Random, name: string): string {
  const be = isPluralOnly(name) ? "are" : "is";
  const colour = rng.choice(["color", "colour"]);
  return rng.choice([
    `What ${colour} ${be} the ${name}?`,
    `What ${colour} ${be} the ${name}?`,
    `Which ${colour} ${be} the ${name}?`,
    `What is the ${colour} of the ${name}?`,
    `Which ${colour} does the ${name} have?`,
    `Tell me the ${colour} of the ${name}.`,
  ]);
}

/** Asks for the colour of the background. */
export function backgroundQuestion(rng: Random): string {
  const colour = rng.choice(["color", "colour"]);
  return rng.choice([
    `What ${colour} is the background?`,
    `What ${colour} is the background?`,
    `Which ${colour} is the background?`,
    `What is the ${colour} of the background?`,
    `What is the background ${colour}?`,
    `What ${colour} is behind the objects?`,
    `Which ${colour} does the background have?`,
  ]);
}

/** A direction in which one thing lies from another. */
export type Direction = "left" | "right" | "above" | "below";

/** Asks what lies in a direction from a name. */
export function relationQuestion(rng: Random, direction: Direction, name: string): string {
  const phrase = {
    left: ["to the left of", "left of", "on the left of", "on the left side of"],
    right: ["to the right of", "right of", "on the right of", "on the right side of"],
    above: ["above", "above", "over"],
    below: ["below", "below", "under", "underneath"],
  }[direction];
  const place = `${rng.choice(phrase)} the ${name}`;
  return rng.choice([`What is ${place}?`, `What is ${place}?`, `What do you see ${place}?`, `Which object is ${place}?`, `What can you see ${place}?`, `What's ${place}?`]);
}

/** A side of the picture. */
export type Side = "left" | "right" | "top" | "bottom" | "middle";

/** Asks what is at a side or in the middle of the picture. */
export function sideQuestion(rng: Random, side: Side): string {
  const picture = rng.choice(pictureWords);
  const phrase = {
    left: ["on the left", "on the left side", `on the left of the ${picture}`, "at the left"],
    right: ["on the right", "on the right side", `on the right of the ${picture}`, "at the right"],
    top: ["at the top", `at the top of the ${picture}`, "in the upper part"],
    bottom: ["at the bottom", `at the bottom of the ${picture}`, "in the lower part"],
    middle: ["in the middle", `in the middle of the ${picture}`, "in the center", "in the centre"],
  }[side];
  const place = rng.choice(phrase);
  return rng.choice([`What is ${place}?`, `What is ${place}?`, `What do you see ${place}?`, `Which object is ${place}?`, `What can you see ${place}?`, `What's ${place}?`]);
}
