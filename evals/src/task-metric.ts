import type { DocumentFrequency } from "./metrics/captions/cider.js";
import type { Sample } from "./task.js";

/** A sample and what was said of it, after the task's post-processing. */
export interface AnsweredSample {
  readonly sample: Omit<Sample, "image">;
  readonly prediction: string;
}

/** What a metric makes of all samples of a task. */
export interface TaskScores {
  /** Figures by name, the task's own first. */
  readonly figures: Readonly<Record<string, number>>;
  /** For each sample, in order, the score that runs are compared by; 0 to 1, CIDEr 0 to 10. */
  readonly perSample: readonly number[];
}

/** How a task's answers are scored. */
export interface TaskMetric {
  /** What `perSample` is. */
  readonly name: string;
  /** Figures of at least one sample; CIDEr weighs words by `documentFrequency` where it is given. */
  readonly score: (answered: readonly AnsweredSample[], documentFrequency?: DocumentFrequency) => TaskScores;
}

/** Splits what was answered by group, in the order in which groups first come. */
export function byGroup(answered: readonly AnsweredSample[]): ReadonlyMap<string, readonly AnsweredSample[]> {
  const groups = new Map<string, AnsweredSample[]>();
  for (const one of answered) {
    const name = one.sample.group ?? "";
    const group = groups.get(name);
    if (group) group.push(one);
    else groups.set(name, [one]);
  }
  return groups;
}

/** A metric that is the mean of its samples' scores, and the mean in each group where there are several. */
export function meanMetric(name: string, scoreOf: (prediction: string, sample: AnsweredSample["sample"]) => number): TaskMetric {
  return {
    name,
    score: (answered) => {
      const perSample = answered.map(({ sample, prediction }) => scoreOf(prediction, sample));
      const figures: Record<string, number> = { [name]: mean(perSample) };
      const groups = byGroup(answered);
      if (groups.size > 1) for (const [group, of] of groups) figures[`${name} (${group})`] = mean(of.map(({ sample, prediction }) => scoreOf(prediction, sample)));
      return { figures, perSample };
    },
  };
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
