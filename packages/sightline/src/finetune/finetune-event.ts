import type { BadPair, TrainingEvent } from "@sightline/contrastive";
import type { AlignExport } from "./align/align-settings.js";
import type { ExportFormat } from "./finetune-settings.js";

/** The data has been read; nothing of it is opened yet. */
export interface DataRead {
  readonly type: "data-read";
  /** What is counted: pairs, or, where a projector is aligned, conversations. */
  readonly unit: "pairs" | "conversations";
  readonly trainPairs: number;
  readonly validationPairs: number;
  /** Entries that are no pairs, by reason: `3 x no caption: a.jpg, …`. */
  readonly leftOut: readonly string[];
  /** Captions that are longer than the text tower reads, or conversations longer than `data.maxTokens`, and are cut. */
  readonly cutCaptions: number;
  readonly totalSteps: number;
  /** Numbers that are trained, and those of the whole model. */
  readonly trainedParameters: number;
  readonly parameters: number;
}

/** How far the features of a frozen part are. */
export interface FeaturesComputed {
  readonly type: "features-computed";
  readonly tower: "image" | "text";
  readonly done: number;
  readonly total: number;
}

/** Pairs of a step whose image could not be read; the step was taken without them. */
export interface PairsLeftOut {
  readonly type: "pairs-left-out";
  readonly step: number;
  readonly bad: readonly BadPair[];
}

/** A result is whole on disk. */
export interface Exported {
  readonly type: "exported";
  readonly format: ExportFormat | AlignExport;
  readonly path: string;
}

/** What a fine-tuning run tells while it goes on. */
export type FinetuneEvent = TrainingEvent | DataRead | FeaturesComputed | PairsLeftOut | Exported;
