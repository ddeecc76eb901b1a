import { performance } from "node:perf_hooks";
import type { AdamWState, Optimizer } from "../adamw.js";
import { clipGradients } from "../clip-gradients.js";
import type { DataPosition } from "../data/shuffled-batches.js";
import type { MovingAverage, MovingAverageState } from "../moving-average.js";
import type { ParameterSet } from "../parameter-set.js";
import { TrainingError } from "../training-error.js";
import type { CheckpointFolder } from "./checkpoint-folder.js";
import { loadRunState, saveRunState, type RunState } from "./run-state.js";
import type { EvalEnd, TrainingEvent } from "./training-event.js";
import type { StepFigures, TrainingStep } from "./training-step.js";

/** A batch, and where the run stands after it. */
export interface TrainingBatch<Batch> {
  readonly batch: Batch;
  readonly samples: number;
  readonly epoch: number;
  /** The position of the batch after it. */
  readonly next: DataPosition;
  /** Names of the samples, told where the loss breaks on them. */
  readonly ids: readonly string[];
}

/** When `train` saves, and where. */
export interface CheckpointOptions {
  readonly folder: CheckpointFolder;
  readonly everySteps: number;
  /** The figure of an evaluation whose best checkpoint is kept. */
  readonly best?: { readonly metric: string; readonly higherIsBetter: boolean };
  /** What a resumed run must have in common with the one before it. */
  readonly settings: Readonly<Record<string, string>>;
  /** The step of the checkpoint to go on from. */
  readonly resumeAt?: number;
  /** False in all processes of a run but one: they read checkpoints, and write none. */
  readonly writes?: boolean;
}

/** What `train` is made of: a step, an optimiser, batches, and what happens between steps. */
export interface TrainOptions<Batch> {
  readonly step: TrainingStep<Batch>;
  readonly optimizer: Optimizer<AdamWState>;
  /** Batches without end from a position on; the same ones each time. */
  readonly batches: (from: DataPosition, step: number) => AsyncIterable<TrainingBatch<Batch>>;
  /** By steps taken before. */
  readonly learningRate: (step: number) => number;
  readonly totalSteps: number;
  /** Largest norm of all gradients together; no limit when left out. */
  readonly maxGradientNorm?: number;
  /** An average of the parameters to evaluate with and to end with. */
  readonly movingAverage?: MovingAverage;
  /** Puts parameters back where they may be, after each update. */
  readonly constrain?: (parameters: ParameterSet) => void;
  /** Figures of the present parameters, every so many steps and at the end. */
  readonly evaluate?: {
    readonly everySteps: number;
    /** Figures by name, as logs and curves show them. */
    readonly run: (signal?: AbortSignal) => Promise<Readonly<Record<string, number>>>;
  };
  readonly checkpoints?: CheckpointOptions;
  /** Adds up the gradients of several processes, in place. */
  readonly reduceGradients?: (gradients: Float32Array) => Promise<void>;
  readonly signal?: AbortSignal;
}

/**
 * Trains to the last step and tells what happens. When it is done, the step's parameters are the result: their moving
 * average where there is one.
 * Interrupted by `signal`, it saves a checkpoint of the last whole step and throws the signal's reason.
 * @throws TrainingError when the loss or a gradient is not a finite number, naming the step and its samples, with the state
 * before that step saved
 */
export async function* train<Batch>(options: TrainOptions<Batch>): AsyncGenerator<TrainingEvent, void> {
  const { step: stepper, optimizer, checkpoints, movingAverage, signal } = options;
  const { parameters } = stepper;
  const average = movingAverage?.init(parameters);
  const state: RunState = { optimizer: optimizer.init(parameters), ...(average ? { average } : {}), step: 0, position: { epoch: 0, batch: 0 } };
  if (checkpoints?.resumeAt !== undefined) await loadRunState(checkpoints.folder.fileOf(checkpoints.resumeAt), parameters, state, checkpoints.settings);
  const writes = checkpoints?.writes !== false;
  if (writes) await checkpoints?.folder.prepare();
  let savedAt = state.step;
  const save: Save = async (best = false) => {
    if (!checkpoints || !writes || savedAt === state.step) return [];
    const file = checkpoints.folder.fileOf(state.step);
    await saveRunState(file, parameters, state, checkpoints.settings);
    savedAt = state.step;
    await checkpoints.folder.discardOld(state.best?.step);
    return [{ type: "checkpoint-saved", step: state.step, path: file, best }];
  };

  try {
    yield* steps(options, state, average, save);
  } catch (error) {
    // Wherever it stopped, the state is that of the last whole step.
    if (signal?.aborted) yield* await save();
    throw error;
  }
  if (average) parameters.values.set(average.values);
}

/** Saves the state, unless it has been saved as it is. */
type Save = (best?: boolean) => Promise<TrainingEvent[]>;

async function* steps<Batch>(options: TrainOptions<Batch>, state: RunState, average: MovingAverageState | undefined, save: Save): AsyncGenerator<TrainingEvent, void> {
  const { step: stepper, optimizer, totalSteps, checkpoints, evaluate, movingAverage, signal } = options;
  const { parameters, gradients } = stepper;
  if (state.step >= totalSteps) return;
  let started = performance.now();
  for await (const { batch, samples, epoch, next, ids } of options.batches(state.position, state.step)) {
    let result: StepFigures;
    let gradientNorm: number;
    try {
      signal?.throwIfAborted();
      result = await stepper.run(batch, signal);
      await options.reduceGradients?.(gradients);
      gradientNorm = clipGradients(gradients, options.maxGradientNorm ?? Number.POSITIVE_INFINITY);
      if (!Number.isFinite(result.loss) || !Number.isFinite(gradientNorm)) throw new TrainingError(`the loss is ${result.loss}, the norm of the gradients ${gradientNorm}`);
    } catch (cause) {
      if (signal?.aborted || !(cause instanceof TrainingError)) throw cause;
      // Parameters have not moved since the last step.
      const saved = await save();
      yield* saved;
      throw new TrainingError(brokenStep(state.step + 1, cause.message, ids, saved[0]?.type === "checkpoint-saved" ? saved[0].path : undefined), { cause });
    }
    const rate = options.learningRate(state.step);
    await optimizer.update(parameters, gradients, state.optimizer, rate);
    options.constrain?.(parameters);
    if (average) movingAverage?.update(parameters, average);
    state.step++;
    state.position = next;
    const stepMs = performance.now() - started;
    yield { type: "step-end", step: state.step, totalSteps, epoch, loss: result.loss, learningRate: rate, gradientNorm, samples, stepMs, figures: result.figures };

    const last = state.step >= totalSteps;
    let best = false;
    if (evaluate && (last || state.step % evaluate.everySteps === 0)) {
      const evaluated = await evaluateAverage(options, state);
      best = isBest(evaluated, state, checkpoints?.best);
      yield evaluated;
    }
    if (checkpoints && (last || best || state.step % checkpoints.everySteps === 0)) yield* await save(best);
    if (last) break;
    started = performance.now();
  }
}

/** Evaluates with the moving average in the parameters' place, where there is one. */
async function evaluateAverage<Batch>({ evaluate, step: { parameters }, signal }: TrainOptions<Batch>, { average, step }: RunState): Promise<EvalEnd> {
  const own = average ? parameters.values.slice() : undefined;
  if (average) parameters.values.set(average.values);
  try {
    return { type: "eval-end", step, metrics: (await evaluate?.run(signal)) ?? {} };
  } finally {
    if (own) parameters.values.set(own);
  }
}

/** Whether this evaluation is the best so far; if so, the state remembers it. */
function isBest({ metrics, step }: EvalEnd, state: RunState, watched: CheckpointOptions["best"]): boolean {
  if (!watched) return false;
  const value = metrics[watched.metric];
  if (value === undefined) throw new TrainingError(`train: the best checkpoint is told by "${watched.metric}", which the evaluation does not give; it gives ${Object.keys(metrics).join(", ")}`);
  const better = state.best === undefined || (watched.higherIsBetter ? value > state.best.value : value < state.best.value);
  if (better) state.best = { step, value };
  return better;
}

function brokenStep(step: number, problem: string, ids: readonly string[], saved: string | undefined): string {
  const shown = ids.slice(0, 20).join(", ");
  const pairs = `${shown}${ids.length > 20 ? ` and ${ids.length - 20} more` : ""}`;
  return `train: step ${step}: ${problem}; its pairs: ${pairs}; ${saved ? `the state before it is in ${saved}` : "the last checkpoint is from before it"}; lower the learning rate, or look at these pairs`;
}
