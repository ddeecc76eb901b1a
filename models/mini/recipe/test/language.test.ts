import { beforeAll, describe, expect, it } from "vitest";
import type { Sprites } from "../src/art/sprites.js";
import { canonicalCaption, captionFor } from "../src/language/captions.js";
import { objectsAtSide, objectsTowards, placeOf } from "../src/language/geometry.js";
import { questionOfKind, questionsFor, type Question, type QuestionKind } from "../src/language/questions.js";
import { mentionedNames, objectF1, scoreCaption } from "../src/language/scores.js";
import { objectNamed, objectNames } from "../src/objects.js";
import { Random } from "../src/scenes/random.js";
import { sampleScene, type SceneObject, type SceneSpec } from "../src/scenes/scene.js";
import { testSprites } from "./shared-sprites.js";

let sprites: Sprites;
beforeAll(async () => {
  sprites = await testSprites();
});

function object(name: string, cx: number, cy: number, colour?: SceneObject["colour"]): SceneObject {
  const bounds = { left: cx - 0.1, top: cy - 0.1, right: cx + 0.1, bottom: cy + 0.1 };
  return { name, style: "twemoji", cx, cy, size: 0.2, rotation: 0, flip: false, stretch: 1, shear: 0, opacity: 1, softness: 0, bounds, ...(colour === undefined ? {} : { colour }) };
}

function scene(...objects: SceneObject[]): SceneSpec {
  return { background: { kind: "flat", colour: [0, 0, 255], name: "blue" }, objects };
}

function sampled(count: number, seed: number): SceneSpec[] {
  const rng = Random.fromSeed(seed);
  return Array.from({ length: count }, () => sampleScene(rng, { names: objectNames, styles: ["twemoji", "noto-v1"], sprites, augment: true }));
}

function asked(spec: SceneSpec, kind: QuestionKind, seed: number, tries: number): Question[] {
  const rng = Random.fromSeed(seed);
  return Array.from({ length: tries }, () => questionOfKind(spec, rng, kind)).filter((question) => question !== undefined);
}

describe("captions", () => {
  it("has one canonical form, from left to right, with repeats counted at their leftmost", () => {
    expect(canonicalCaption(scene(object("cat", 0.5, 0.5)))).toBe("I see a cat.");
    expect(canonicalCaption(scene(object("bus", 0.8, 0.1), object("owl", 0.2, 0.9), object("dog", 0.5, 0.5)))).toBe("I see an owl, a dog and a bus.");
    expect(canonicalCaption(scene(object("dog", 0.9, 0.5), object("scissors", 0.5, 0.5), object("dog", 0.1, 0.5)))).toBe("I see two dogs and scissors.");
    expect(canonicalCaption(scene(object("mouse", 0.1, 0.5), object("mouse", 0.5, 0.5), object("mouse", 0.9, 0.5)))).toBe("I see three mice.");
  });

  it("mention exactly the names of the scene in every wording, as one sentence", () => {
    const rng = Random.fromSeed(4);
    for (const spec of sampled(500, 5)) {
      const names = new Set(spec.objects.map(({ name }) => name));
      for (const caption of [captionFor(spec, rng), canonicalCaption(spec)]) {
        expect([caption, mentionedNames(caption)]).toEqual([caption, names]);
        expect(caption).toMatch(/^[A-Z][^.]*\.$/);
      }
    }
  });

  it("are varied, and name colours and the background only as the scene has them", () => {
    const spec = scene(object("bus", 0.3, 0.5, "red"), object("cat", 0.7, 0.5));
    const rng = Random.fromSeed(6);
    const captions = new Set(Array.from({ length: 400 }, () => captionFor(spec, rng)));
    expect(captions.size).toBeGreaterThan(40);
    const text = [...captions].join(" ");
    expect(text).toContain("a red bus");
    expect(text).toContain("on a blue background");
    expect(text).not.toMatch(/red cat|green|purple/);
    expect(text).not.toContain("There are a");
  });
});

describe("caption scores", () => {
  const spec = scene(object("cat", 0.2, 0.5), object("bus", 0.5, 0.5), object("cat", 0.8, 0.5));

  it("count names that are right, made up and left out, singular or plural, by whole words", () => {
    expect(scoreCaption("I see two cats and a bus.", spec)).toEqual({ truePositives: 2, falsePositives: 0, falseNegatives: 0 });
    expect(scoreCaption("A cat, a dog and busy people in a category", spec)).toEqual({ truePositives: 1, falsePositives: 1, falseNegatives: 1 });
    expect(scoreCaption("", spec)).toEqual({ truePositives: 0, falsePositives: 0, falseNegatives: 2 });
  });

  it("give F1 over all captions together", () => {
    const scores = [scoreCaption("a cat and a dog", spec), scoreCaption("a cat and a bus", spec)];
    // 3 right, 1 made up, 1 left out: 2 * 3 / (2 * 3 + 1 + 1)
    expect(objectF1(scores)).toBeCloseTo(0.75);
    expect(objectF1([])).toBe(1);
    expect(objectF1([scoreCaption("", spec)])).toBe(0);
  });
});

describe("geometry", () => {
  it("names the cell of a three by three grid, and none near a border of it", () => {
    const cells = [0.15, 0.5, 0.85].map((cy) => [0.15, 0.5, 0.85].map((cx) => placeOf({ cx, cy })));
    expect(cells).toEqual([
      ["at the top left", "at the top", "at the top right"],
      ["on the left", "in the middle", "on the right"],
      ["at the bottom left", "at the bottom", "at the bottom right"],
    ]);
    expect(placeOf({ cx: 0.34, cy: 0.5 })).toBeUndefined();
    expect(placeOf({ cx: 0.5, cy: 0.65 })).toBeUndefined();
  });

  it("finds what lies towards a side of another, and gives up on a close call", () => {
    const [cat, dog, bus] = [object("cat", 0.5, 0.5), object("dog", 0.2, 0.7), object("bus", 0.8, 0.45)];
    expect(objectsTowards(cat, [dog, bus], "left")).toEqual([dog]);
    expect(objectsTowards(cat, [dog, bus], "right")).toEqual([bus]);
    expect(objectsTowards(cat, [dog], "above")).toEqual([]);
    expect(objectsTowards(cat, [dog, bus], "above")).toBeUndefined();
    expect(objectsTowards(bus, [cat, dog], "left")).toEqual([cat, dog]);
    expect(objectsAtSide([cat, dog, bus], "left")).toEqual([dog]);
    expect(objectsAtSide([cat, dog, bus], "top")).toEqual([]);
    expect(objectsAtSide([cat], "middle")).toEqual([cat]);
  });
});

describe("questions", () => {
  const spec = scene(object("owl", 0.15, 0.15, "brown"), object("bus", 0.85, 0.5, "red"), object("dog", 0.5, 0.85));

  it("ask for presence half of the time of something that is not there, in all scenes together", () => {
    const rng = Random.fromSeed(7);
    let yes = 0;
    let no = 0;
    for (const each of sampled(1000, 8)) {
      const question = questionOfKind(each, rng, "presence") as Question;
      const [name] = [...mentionedNames(question.answer)];
      const shown = each.objects.filter((candidate) => candidate.name === name).length;
      expect([...mentionedNames(question.question)]).toEqual([name]);
      if (question.answer.startsWith("Yes, there ")) yes++;
      else if (question.answer.startsWith("No, there ")) no++;
      expect([question, question.answer.startsWith("Yes")]).toEqual([question, shown > 0]);
    }
    expect(yes + no).toBe(1000);
    expect(Math.abs(yes - no)).toBeLessThan(100);
  });

  it("name absent objects evenly over the whole list", () => {
    const counts = new Map<string, number>();
    for (const { question, answer } of asked(spec, "presence", 9, 12_000)) {
      if (answer.startsWith("No")) for (const name of mentionedNames(question)) counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    expect(counts.size).toBe(objectNames.length - 3);
    expect(Math.max(...counts.values())).toBeLessThan(90);
    expect(Math.min(...counts.values())).toBeGreaterThan(15);
  });

  it("count objects and names, nothing included", () => {
    const three = scene(object("cat", 0.2, 0.5), object("cat", 0.5, 0.5), object("dog", 0.8, 0.5));
    expect(new Set(asked(three, "countAll", 1, 20).map(({ answer }) => answer))).toEqual(new Set(["Three."]));
    for (const { question, answer } of asked(three, "count", 2, 200)) {
      const [name] = [...mentionedNames(question)];
      expect([question, answer]).toEqual([question, name === "cat" ? "Two." : name === "dog" ? "One." : "None."]);
    }
  });

  it("say where a thing is, or that it is not there", () => {
    const expected: Record<string, string> = { owl: "It is at the top left.", bus: "It is on the right.", dog: "It is at the bottom." };
    const answers = asked(spec, "where", 3, 300);
    for (const { question, answer } of answers) {
      const [name] = [...mentionedNames(question)] as [string];
      const none = objectNamed(name).article === "" ? `There are no ${name}.` : `There is no ${name}.`;
      expect([question, answer]).toEqual([question, expected[name] ?? none]);
    }
    expect(new Set(answers.map(({ answer }) => answer)).size).toBeGreaterThan(20);
    expect(asked(scene(object("cat", 0.2, 0.2), object("cat", 0.8, 0.8)), "where", 4, 100).every(({ answer }) => answer.startsWith("There"))).toBe(true);
  });

  it("answer colours only where they are clear", () => {
    for (const { question, answer } of asked(spec, "colour", 5, 200)) {
      const [name] = [...mentionedNames(question)];
      expect([question, answer]).toEqual([question, name === "owl" ? "Brown." : name === "bus" ? "Red." : answer.startsWith("There") ? answer : "unclear"]);
    }
    expect(new Set(asked(spec, "background", 6, 20).map(({ answer }) => answer))).toEqual(new Set(["Blue."]));
    expect(asked({ ...spec, background: { kind: "flat", colour: [1, 2, 3] } }, "background", 6, 20)).toEqual([]);
  });

  it("answer what lies beside a thing and at a side", () => {
    const answer = (pattern: RegExp, kind: QuestionKind): Set<string> =>
      new Set(asked(spec, kind, 10, 600).filter(({ question }) => pattern.test(question)).map((question) => question.answer));
    expect(answer(/left.* the dog/, "relation")).toEqual(new Set(["An owl."]));
    expect(answer(/left.* the owl/, "relation")).toEqual(new Set(["Nothing."]));
    expect(answer(/(above|over) the dog/, "relation")).toEqual(new Set(["An owl and a bus."]));
    expect(answer(/(below|under|underneath) the dog/, "relation")).toEqual(new Set(["Nothing."]));
    expect(answer(/left/, "side")).toEqual(new Set(["An owl."]));
    expect(answer(/middle|center|centre/, "side")).toEqual(new Set(["Nothing."]));
  });

  it("give the same answer to the same question, different questions, and the same list for the same seed", () => {
    const rng = Random.fromSeed(11);
    for (const each of sampled(100, 12)) {
      const questions = Array.from({ length: 20 }, () => questionsFor(each, rng, 6)).flat();
      const answers = new Map<string, string>();
      for (const { question, answer } of questions) {
        const key = question.toLowerCase().replace(/[?.]$/, "");
        expect([key, answers.get(key) ?? answer]).toEqual([key, answer]);
        answers.set(key, answer);
      }
    }
    const [first] = sampled(1, 13) as [SceneSpec];
    expect(questionsFor(first, Random.fromSeed(1), 8)).toEqual(questionsFor(first, Random.fromSeed(1), 8));
    expect(new Set(questionsFor(first, Random.fromSeed(1), 8).map(({ question }) => question)).size).toBe(8);
  });

  it("come in the shares that are asked for", () => {
    const [first] = sampled(1, 4) as [SceneSpec];
    const none = { describe: 0, countAll: 0, count: 0, where: 0, colour: 0, background: 0, relation: 0, side: 0 };
    const kinds = questionsFor(first, Random.fromSeed(2), 6, none).map(({ kind }) => kind);
    expect(kinds).toEqual(Array.from({ length: 6 }, () => "presence"));
  });

  it("word questions in many ways", () => {
    expect(new Set(asked(spec, "describe", 14, 2000).map(({ question }) => question)).size).toBeGreaterThan(150);
    const colours = asked(spec, "colour", 15, 200).map(({ question }) => question).join(" ");
    expect(colours).toMatch(/color /);
    expect(colours).toMatch(/colour /);
  });
});
