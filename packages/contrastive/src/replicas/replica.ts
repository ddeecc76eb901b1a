import type { TensorValue } from "@sightline/graph";
import { scaleGradients, sumOfSquares, type AdamWState, type ElementRange, type Optimizer } from "../adamw.js";
import { ParameterSet } from "../parameter-set.js";
import { TrainSession, type TrainingGraph } from "../train-session.js";
import { awaitAll, publishStop, stopWasAgreed, type SharedState } from "./shared-state.js";

/** One replica of a data-parallel run in threads; see `trainReplica`. */
export interface ReplicaOptions {
  /** Which of the replicas this is, from 0. */
  readonly rank: number;
  readonly shared: SharedState;
  readonly training: TrainingGraph;
  readonly optimizer: Optimizer<AdamWState>;
  /** The batch of this replica at a step; it depends on nothing else, so that a resumed run sees the same data. */
  readonly batch: (step: number) => Record<string, TensorValue>;
  /** The rate at a step, counted from 0. */
  readonly learningRate: (step: number) => number;
  readonly maxGradientNorm: number;
  /** Called on rank 0 every so many steps and after the last one, while the other replicas wait; saves and evaluates. */
  readonly checkpoint: {
    readonly everySteps: number;
    /** Awaited before the next step. */
    readonly save: (parameters: ParameterSet, optimizer: AdamWState, step: number) => Promise<void>;
  };
}

/** What a replica tells after each step. */
export interface ReplicaStep {
  /** Steps taken, this one included. */
  readonly step: number;
  /** The loss on this replica's batch. */
  readonly loss: number;
  /** Norm of the averaged gradients before clipping. */
  readonly norm: number;
}

/**
 * One of several replicas that train the same parameters on different batches: each computes its gradients on one
 * thread, then each applies the averaged gradients to its share of the parameters. One thread a replica beats many
 * threads on one batch, because threads meet once a step instead of at every operation.
 * The sums are always taken in the order of the ranks, so a run repeats to the last bit.
 */
export async function* trainReplica(options: ReplicaOptions, fromStep: number, toStep: number): AsyncGenerator<ReplicaStep, void> {
  const { rank, shared, optimizer } = options;
  await using session = await TrainSession.open(options.training, { device: "cpu", threads: 1 });
  const total = session.parameters.values.length;
  const parameters = new ParameterSet(new Map(session.parameters.slots.map(({ name, shape }) => [name, shape])), shared.values);
  // The nearest border between parameters, where the optimiser takes them whole.
  const border = (share: number): number => {
    const element = Math.floor((total * share) / shared.replicas);
    if (optimizer.wholeParameters !== true) return element;
    return parameters.slots.find(({ offset, length }) => offset + length / 2 >= element)?.offset ?? total;
  };
  const range = { start: border(rank), end: border(rank + 1) };
  const state: AdamWState = { firstMoment: shared.firstMoment, secondMoment: shared.secondMoment, step: fromStep };
  let batch = fromStep < toStep ? options.batch(fromStep) : undefined;
  for (let step = fromStep; step < toStep && batch; step++) {
    session.parameters.values.set(shared.values);
    const running = session.step(batch);
    // Made while the step computes; both share this replica's core.
    batch = step + 1 < toStep ? options.batch(step + 1) : undefined;
    const { loss } = await running;
    (shared.gradients[rank] as Float32Array).set(session.gradients);
    awaitAll(shared);
    const gradients = averageGradients(shared, range);
    shared.squares[rank] = sumOfSquares(gradients, range);
    awaitAll(shared);
    const norm = Math.sqrt(shared.squares.reduce((sum, square) => sum + square, 0));
    if (norm > options.maxGradientNorm) scaleGradients(gradients, options.maxGradientNorm / norm, range);
    await optimizer.update(parameters, gradients, state, options.learningRate(step), range);
    if (rank === 0) publishStop(shared);
    awaitAll(shared);
    const stopping = stopWasAgreed(shared);
    if (stopping || step + 1 === toStep || (step + 1) % options.checkpoint.everySteps === 0) {
      if (rank === 0) await options.checkpoint.save(parameters, state, step + 1);
      awaitAll(shared);
    }
    yield { step: step + 1, loss, norm };
    if (stopping) return;
  }
}

/** The mean over all replicas, in place in the first one's buffer, for one range. */
function averageGradients({ gradients, replicas }: SharedState, { start, end }: ElementRange): Float32Array {
  const [first, ...others] = gradients as [Float32Array, ...Float32Array[]];
  for (const other of others) for (let i = start; i < end; i++) first[i] = (first[i] as number) + (other[i] as number);
  if (replicas > 1) scaleGradients(first, 1 / replicas, { start, end });
  return first;
}
