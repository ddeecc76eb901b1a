import type { Loaded } from "./load-ahead.js";

/** What a row of embeddings is called. */
export interface Named {
  /** WebDataset's sample key: the path up to the first dot of its last part; of a line of text, `path:line`. */
  readonly key: string;
  /** Where it came from: a file, or a tar file and the member in it. Each path is one row. */
  readonly path: string;
  /** The text that was embedded, where it was one. */
  readonly text?: string;
}

/** An input that gave no row, and why. */
export interface Failure extends Named {
  readonly error: Error;
}

/** Inputs that went through the tower together, and those that failed before the last of them. */
export interface EmbeddedBatch {
  readonly rows: readonly Named[];
  /** float32[rows, D] */
  readonly embeddings: Float32Array;
  readonly failures: readonly Failure[];
}

export interface EmbedBatchesOptions<T> {
  /** float32[values, D] */
  encode(values: readonly T[]): Promise<Float32Array>;
  /** How many inputs go through the tower together. */
  readonly batch: number;
  /** Whether an error concerns one input alone; any other ends the run. */
  isInputError(error: unknown): error is Error;
  /** Ends the run at the first failure, after what was embedded before it. */
  readonly strict: boolean;
  /** Ends the run after the batch in the tower, with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** A flood of failures is handed on in between. */
const mostFailuresHeld = 256;

/**
 * Puts loaded inputs through the tower in batches, while the next ones are loaded and the one before is handed on. All
 * batches but the last are full, so that a run that was stopped and resumed makes the same batches as one that was not.
 */
export async function* embedBatches<T>(inputs: AsyncIterable<Loaded<Named, T>>, options: EmbedBatchesOptions<T>): AsyncGenerator<EmbeddedBatch> {
  const { encode, batch, isInputError, strict, signal } = options;
  let rows: Named[] = [];
  let values: T[] = [];
  let failures: Failure[] = [];
  let running: Promise<EmbeddedBatch> | undefined;
  const run = (): Promise<EmbeddedBatch> => {
    const [named, failed, loaded] = [rows, failures, values];
    [rows, failures, values] = [[], [], []];
    const embedded = loaded.length === 0 ? Promise.resolve(new Float32Array(0)) : encode(loaded);
    const result = embedded.then((embeddings) => ({ rows: named, embeddings, failures: failed }));
    // It is awaited later; a rejection must not be unhandled until then.
    result.catch(() => undefined);
    return result;
  };
  try {
    for await (const input of inputs) {
      if (signal?.aborted) break;
      if ("value" in input) {
        rows.push(nameOf(input.source));
        values.push(input.value);
      } else {
        if (!isInputError(input.error)) throw input.error;
        if (strict) throw input.error;
        failures.push({ ...nameOf(input.source), error: input.error });
      }
      if (failures.length >= mostFailuresHeld) {
        const flood = failures;
        failures = [];
        if (running) yield await running;
        running = undefined;
        yield { rows: [], embeddings: new Float32Array(0), failures: flood };
      }
      if (rows.length < batch) continue;
      const before = await running;
      running = signal?.aborted ? undefined : run();
      if (before) yield before;
      if (signal?.aborted) break;
    }
  } catch (error) {
    if (running) yield await running;
    running = undefined;
    throw error;
  } finally {
    await running?.catch(() => undefined);
  }
  if (running) yield await running;
  signal?.throwIfAborted();
  if (rows.length > 0 || failures.length > 0) yield await run();
}

/** A source may carry its bytes, which must not stay with its name. */
function nameOf({ key, path, text }: Named): Named {
  return { key, path, ...(text === undefined ? {} : { text }) };
}
