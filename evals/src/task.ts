import type { ImageSource } from "sightline";
import type { TaskMetric } from "./task-metric.js";

/** One thing that a task asks. */
export interface Sample {
  /** Unique in its task; predictions of other programs name it. */
  readonly id: string;
  /** Reads the picture, when it is its turn. */
  readonly image: () => Promise<ImageSource>;
  /** What the model is asked. */
  readonly prompt: string;
  /** Right answers, or captions by people. */
  readonly references: readonly string[];
  /** Texts to choose among, of a multiple choice. */
  readonly options?: readonly string[];
  /** What figures are also given for: a domain, a language, a category. */
  readonly group?: string;
  /** Samples that belong together: the picture of a pair of questions. */
  readonly imageId?: string;
}

/** Files of a task, and how to come by them. */
export interface TaskData {
  /** Where it is published: a dataset of the Hugging Face hub, or an address. */
  readonly source: string;
  readonly split: string;
  /** What `--pull` brings from the hub: a data set, and globs over its files. */
  readonly dataset?: { readonly name: string; readonly include: readonly string[] };
  /** One line for those who lack it: what to fetch. `FOLDER` is put in. */
  readonly fetch: string;
  /** Samples of the whole set; figures of another number are not comparable. */
  readonly size?: number;
}

interface TaskBase {
  readonly name: string;
  readonly title: string;
  /** Absent where the samples come with the package. */
  readonly data?: TaskData;
  /**
   * Reads the samples in their order.
   * @param folder with the task's files
   * @throws EvalError `data-missing` naming the file and what to fetch; `data-changed` for one that is not as published
   */
  readonly read: (folder: string) => AsyncIterable<Sample>;
}

/** A task that a chat answers in words. */
export interface AnswerTask extends TaskBase {
  readonly kind: "answer";
  /** New tokens at most; greedy. */
  readonly maxTokens: number;
  /** What is scored of what the model said. */
  readonly postProcess: (text: string) => string;
  readonly metric: TaskMetric;
}

/** A task that compares embeddings of pictures and texts. */
export interface EmbeddingTask extends TaskBase {
  readonly kind: "retrieval" | "zero-shot";
  /** Names of the classes and sentences around them, of a zero-shot task. */
  readonly classes?: (folder: string) => Promise<{ readonly names: readonly string[]; readonly templates: readonly string[] }>;
}

/** A benchmark, of either kind. */
export type Task = AnswerTask | EmbeddingTask;
