export interface LoadAheadOptions<T> {
  /** How many sources may be loading at the same time. */
  readonly atOnce: number;
  /** How many may be loading or loaded and not taken yet. */
  readonly ahead: number;
  /** Starts nothing more while what is loaded and not taken holds so many bytes. */
  readonly maxBytes: number;
  bytesOf(value: T): number;
  /** Ends what is given, without waiting for a source that is slow to come. */
  readonly signal?: AbortSignal | undefined;
}

/** A source with what was loaded from it, or why nothing was. */
export type Loaded<S, T> = { readonly source: S; readonly value: T } | { readonly source: S; readonly error: unknown };

/**
 * Loads sources ahead of whoever takes them, in their order. The loading goes on while the taker is busy, within the
 * bounds. Rejects when the sources do; a load that fails is an entry like another.
 */
export async function* loadAhead<S, T>(
  sources: Iterable<S> | AsyncIterable<S>,
  load: (source: S) => Promise<T>,
  { atOnce, ahead, maxBytes, bytesOf, signal }: LoadAheadOptions<T>,
): AsyncGenerator<Loaded<S, T>> {
  const waiting: Promise<Loaded<S, T>>[] = [];
  let [loading, bytes] = [0, 0];
  let [ended, stopped] = [false, false];
  let wakeProducer = (): void => undefined;
  let wakeTaker = (): void => undefined;
  const start = async (source: S): Promise<Loaded<S, T>> => {
    loading++;
    try {
      const value = await load(source);
      bytes += bytesOf(value);
      return { source, value };
    } catch (error) {
      return { source, error };
    } finally {
      loading--;
      wakeProducer();
    }
  };
  const hasRoom = (): boolean => stopped || (loading < atOnce && waiting.length < ahead && bytes < maxBytes);
  const mustWait = (): boolean => waiting.length === 0 && !ended && !(signal?.aborted ?? false);
  const produce = async (): Promise<void> => {
    try {
      for await (const source of sources) {
        if (stopped) break;
        waiting.push(start(source));
        wakeTaker();
        while (!hasRoom()) await new Promise<void>((resolve) => (wakeProducer = resolve));
      }
    } finally {
      ended = true;
      wakeTaker();
    }
  };
  const producing = produce();
  const onAbort = (): void => wakeTaker();
  signal?.addEventListener("abort", onAbort);
  // Awaited below, unless the taker leaves first.
  producing.catch(() => undefined);
  try {
    for (;;) {
      while (mustWait()) await new Promise<void>((resolve) => (wakeTaker = resolve));
      const first = waiting[0];
      if (!first || signal?.aborted) break;
      const loaded = await first;
      waiting.shift();
      if ("value" in loaded) bytes -= bytesOf(loaded.value);
      wakeProducer();
      yield loaded;
    }
    if (!signal?.aborted) await producing;
  } finally {
    signal?.removeEventListener("abort", onAbort);
    stopped = true;
    wakeProducer();
    await Promise.allSettled(waiting);
  }
}
