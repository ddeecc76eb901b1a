import { byGroup, meanMetric, type AnsweredSample, type TaskMetric } from "../task-metric.js";
import { anls } from "./answers/anls.js";
import { multipleChoice } from "./answers/multiple-choice.js";
import { relaxedAccuracy } from "./answers/relaxed-accuracy.js";
import { vqaAccuracy } from "./answers/vqa-accuracy.js";
import { mmeScores, popeScores, yesOrNo } from "./answers/yes-no.js";
import type { DocumentFrequency } from "./captions/cider.js";
import { scoreCaptions, type CaptionScores } from "./captions/score-captions.js";

/** BLEU, ROUGE-L and CIDEr-D; of each group by itself too, its own document frequencies. */
export const captionMetric: TaskMetric = {
  name: "cider",
  score: (answered, documentFrequency) => {
    const all = scored(answered, documentFrequency);
    const figures: Record<string, number> = figuresOf(all);
    const groups = byGroup(answered);
    if (groups.size > 1) for (const [group, of] of groups) figures[`cider (${group})`] = scored(of, documentFrequency).cider;
    return { figures, perSample: all.perImage.map(({ cider }) => cider) };
  },
};

/** Each group is a set of its own (a language), and the figures are the means over groups. */
export const groupedCaptionMetric: TaskMetric = {
  name: "cider",
  score: (answered) => {
    const sets = [...byGroup(answered)].map(([group, of]) => ({ group, of, scores: scored(of) }));
    const means: Record<string, number> = {};
    for (const { scores } of sets) for (const [name, value] of Object.entries(figuresOf(scores))) means[name] = (means[name] ?? 0) + value / sets.length;
    for (const { group, scores } of sets) means[`cider (${group})`] = scores.cider;
    const ofSample = new Map(sets.flatMap(({ of, scores }) => of.map(({ sample }, i) => [sample.id, scores.perImage[i]?.cider ?? 0] as const)));
    return { figures: means, perSample: answered.map(({ sample }) => ofSample.get(sample.id) ?? 0) };
  },
};

function scored(answered: readonly AnsweredSample[], documentFrequency?: DocumentFrequency): CaptionScores {
  return scoreCaptions(answered.map(({ sample, prediction }) => ({ imageId: sample.id, candidate: prediction, references: sample.references })), documentFrequency ? { documentFrequency } : {});
}

function figuresOf({ bleu, rougeL, cider }: CaptionScores): Record<string, number> {
  return { cider, "bleu-1": bleu[0], "bleu-2": bleu[1], "bleu-3": bleu[2], "bleu-4": bleu[3], "rouge-l": rougeL };
}

export const vqaMetric: TaskMetric = meanMetric("vqa-accuracy", (prediction, { references }) => vqaAccuracy(prediction, references));

export const anlsMetric: TaskMetric = meanMetric("anls", (prediction, { references }) => anls(prediction, references));

export const relaxedMetric: TaskMetric = meanMetric("relaxed-accuracy", (prediction, { references }) => relaxedAccuracy(prediction, references[0] ?? ""));

export const choiceMetric: TaskMetric = meanMetric("accuracy", (prediction, { references, options = [] }) => multipleChoice(prediction, options, references[0] ?? ""));

export const popeMetric: TaskMetric = {
  name: "accuracy",
  score: (answered) => {
    const { accuracy, f1, precision, recall, yesShare } = popeScores(answered.map(yesNoAnswer));
    const figures: Record<string, number> = { accuracy, f1, precision, recall, "yes-share": yesShare };
    const groups = byGroup(answered);
    if (groups.size > 1) for (const [group, of] of groups) figures[`f1 (${group})`] = popeScores(of.map(yesNoAnswer)).f1;
    return { figures, perSample: answered.map(isRight) };
  },
};

export const mmeMetric: TaskMetric = {
  name: "accuracy",
  score: (answered) => {
    const { categories, perception, cognition } = mmeScores(answered.map((one) => ({ ...yesNoAnswer(one), category: one.sample.group ?? "", imageId: one.sample.imageId ?? one.sample.id })));
    const scores = Object.entries(categories).map(([category, { score }]) => [`score (${category})`, score] as const);
    return { figures: { perception, cognition, ...Object.fromEntries(scores) }, perSample: answered.map(isRight) };
  },
};

function yesNoAnswer({ sample, prediction }: AnsweredSample): { readonly prediction: string; readonly answer: "yes" | "no" } {
  return { prediction, answer: yesOrNo(sample.references[0] ?? "") === "yes" ? "yes" : "no" };
}

function isRight({ sample, prediction }: AnsweredSample): number {
  return yesOrNo(prediction) === yesOrNo(sample.references[0] ?? "") ? 1 : 0;
}
