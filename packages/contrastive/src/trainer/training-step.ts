import type { ParameterSet } from "../parameter-set.js";

/** What one forward and backward pass says. */
export interface StepFigures {
  readonly loss: number;
  /** What else is worth a curve, by name. */
  readonly figures: Readonly<Record<string, number>>;
}

/**
 * A forward and backward pass that a trainer can drive, whatever is trained: two towers under a contrastive loss, or a
 * projector under a decoder's.
 */
export interface TrainingStep<Batch> extends AsyncDisposable {
  readonly parameters: ParameterSet;
  /** float32, laid out like the parameters; holds the gradients of the last pass. */
  readonly gradients: Float32Array;
  /**
   * One pass over a batch; the gradients are then in `gradients`.
   * @throws TrainingError when the loss is not a finite number
   */
  run(batch: Batch, signal?: AbortSignal): Promise<StepFigures>;
}
