import type { RowSource } from "../cached/cached-encoder.js";
import type { PairLabels } from "../losses/pair-labels.js";

/** A batch of a contrastive step. */
export interface PairStepBatch {
  /** Inputs of the image tower; N rows. */
  readonly images: RowSource;
  /** Inputs of the text tower; M rows. */
  readonly texts: RowSource;
  readonly labels: PairLabels;
  /** The texts themselves, and which image each is for; losses over several processes compare them. */
  readonly captions: readonly string[];
  readonly imageIds: readonly string[];
  /** Steps taken before this one; dropout draws from it. */
  readonly step: number;
}
