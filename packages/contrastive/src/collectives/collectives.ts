/** Processes that work on one batch together, each with a number. Every one of them must make the same calls in the same order. */
export interface Collectives extends AsyncDisposable {
  /** This process, from 0. */
  readonly rank: number;
  readonly size: number;
  /** Replaces values, in place, by their sums over all processes. */
  allReduceSum(values: Float32Array | Float64Array): Promise<void>;
  /** Sends bytes to one process while it receives as many as `receive` holds from another. */
  exchange(send: Uint8Array, to: number, receive: Uint8Array, from: number): Promise<void>;
  /** Ends all processes, with an exit code that is not 0; for errors, since the others would wait for ever. */
  abort(): void;
}

/** A process by itself. */
export function alone(): Collectives {
  return {
    rank: 0,
    size: 1,
    allReduceSum: async () => undefined,
    exchange: async (send, _to, receive) => receive.set(send),
    abort: () => process.exit(1),
    [Symbol.asyncDispose]: async () => undefined,
  };
}
