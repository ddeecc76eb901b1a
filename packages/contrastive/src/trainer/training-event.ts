/** One step of the optimiser was taken. */
export interface StepEnd {
  readonly type: "step-end";
  /** Steps taken, this one included. */
  readonly step: number;
  readonly totalSteps: number;
  readonly epoch: number;
  readonly loss: number;
  /** The rate that this step was taken with, before the factors of single parameters. */
  readonly learningRate: number;
  /** Norm of all gradients together, before clipping. */
  readonly gradientNorm: number;
  /** Samples (image–text pairs, or conversations) in the step. */
  readonly samples: number;
  /** Wall time of the step, milliseconds. */
  readonly stepMs: number;
  /** What else is worth a curve, by name: t, b, mean logits. */
  readonly figures: Readonly<Record<string, number>>;
}

/** The model was tried on held-out data. */
export interface EvalEnd {
  readonly type: "eval-end";
  readonly step: number;
  /** Figures by name, as `imageToText.r1`. */
  readonly metrics: Readonly<Record<string, number>>;
}

/** A checkpoint is whole on disk. */
export interface CheckpointSaved {
  readonly type: "checkpoint-saved";
  readonly step: number;
  readonly path: string;
  /** Whether it is the best so far, by the figure that the run was told to watch. */
  readonly best: boolean;
}

/** What a run tells while it goes on. */
export type TrainingEvent = StepEnd | EvalEnd | CheckpointSaved;
