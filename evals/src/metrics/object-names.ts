import { readFileSync } from "node:fs";
import type { AnsweredSample, TaskMetric } from "../task-metric.js";
import { yesOrNo } from "./answers/yes-no.js";

const names = JSON.parse(readFileSync(new URL("../../data/emoji-scenes/names.json", import.meta.url), "utf8")) as Readonly<Record<string, string>>;
const nameOfWord: ReadonlyMap<string, string> = new Map(Object.entries(names).flatMap(([name, plural]) => [[name, name], [plural, name]] as const));

/** References of a yes/no question are these; others are names. */
const isYesNo = ({ sample }: AnsweredSample): boolean => sample.group === "yes/no";

/**
 * F1 of the object names in answers, over all answers together, and the share of right yes/no answers. A plural counts as its
 * singular, a name said twice counts once, and words that are no names of mini's world not at all.
 */
export const namesMetric: TaskMetric = {
  name: "f1-or-accuracy",
  score: (answered) => {
    let [hits, misses, right, asked] = [0, 0, 0, 0];
    const perSample = answered.map((one) => {
      const { sample, prediction } = one;
      if (isYesNo(one)) {
        const score = yesOrNo(prediction) === sample.references[0] ? 1 : 0;
        asked++;
        right += score;
        return score;
      }
      const said = namesIn(prediction);
      const shown = new Set(sample.references);
      const both = [...said].filter((name) => shown.has(name)).length;
      hits += 2 * both;
      misses += said.size + shown.size - 2 * both;
      return said.size + shown.size === 0 ? 1 : (2 * both) / (said.size + shown.size);
    });
    const share = (part: number, whole: number): number => (whole === 0 ? 0 : part / whole);
    return { figures: { "object-f1": share(hits, hits + misses), "yes-no-accuracy": share(right, asked) }, perSample };
  },
};

function namesIn(text: string): ReadonlySet<string> {
  return new Set((text.toLowerCase().match(/[a-z]+/g) ?? []).flatMap((word) => nameOfWord.get(word) ?? []));
}
