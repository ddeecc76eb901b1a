import { TrainingError } from "../training-error.js";

/** Memory that the replicas of a training run share; passes through `workerData` as it is. */
export interface SharedState {
  readonly replicas: number;
  readonly values: Float32Array;
  readonly firstMoment: Float32Array;
  readonly secondMoment: Float32Array;
  /** One per replica, laid out like the parameters. */
  readonly gradients: readonly Float32Array[];
  /** One sum of squares per replica. */
  readonly squares: Float64Array;
  /** Barrier arrivals, barrier generation, stop request, agreed stop. */
  readonly control: Int32Array;
}

const arrivals = 0;
const generation = 1;
const stopRequest = 2;
const stopAgreed = 3;

/** Memory that all replicas of a run share, zeroed. Throws TrainingError for fewer than one replica. */
export function createSharedState(parameterCount: number, replicas: number): SharedState {
  if (!Number.isInteger(replicas) || replicas < 1) throw new TrainingError(`createSharedState: expected at least one replica, got ${replicas}`);
  const floats = (): Float32Array => new Float32Array(new SharedArrayBuffer(parameterCount * 4));
  return {
    replicas,
    values: floats(),
    firstMoment: floats(),
    secondMoment: floats(),
    gradients: Array.from({ length: replicas }, floats),
    squares: new Float64Array(new SharedArrayBuffer(replicas * 8)),
    control: new Int32Array(new SharedArrayBuffer(16)),
  };
}

/** Blocks this thread until every replica has arrived. Not for the main thread. */
export function awaitAll({ control, replicas }: SharedState): void {
  const seen = Atomics.load(control, generation);
  if (Atomics.add(control, arrivals, 1) === replicas - 1) {
    Atomics.store(control, arrivals, 0);
    Atomics.add(control, generation, 1);
    Atomics.notify(control, generation);
  } else {
    while (Atomics.load(control, generation) === seen) Atomics.wait(control, generation, seen);
  }
}

/** Asks all replicas to stop after the step under way. */
export function requestStop({ control }: SharedState): void {
  Atomics.store(control, stopRequest, 1);
}

/** One replica copies the request where all will read it after the next barrier, so that all stop at the same step. */
export function publishStop({ control }: SharedState): void {
  Atomics.store(control, stopAgreed, Atomics.load(control, stopRequest));
}

export function stopWasAgreed({ control }: SharedState): boolean {
  return Atomics.load(control, stopAgreed) === 1;
}
