/**
 * Tells of work while it goes on: what `work` passes to `tell` is yielded as it comes, and its result is returned. Of events
 * that come faster than they are taken, all are kept.
 */
export async function* eventsDuring<Event, Result>(work: (tell: (event: Event) => void) => Promise<Result>): AsyncGenerator<Event, Result> {
  const waiting: Event[] = [];
  let wake: () => void = () => undefined;
  let done = false;
  const result = work((event) => {
    waiting.push(event);
    wake();
  }).finally(() => {
    done = true;
    wake();
  });
  // It is awaited below, after the last event; a failure before must not count as unhandled.
  result.catch(() => undefined);
  for (;;) {
    yield* waiting.splice(0);
    if (done && waiting.length === 0) return await result;
    await new Promise<void>((resolve) => {
      wake = resolve;
      if (done || waiting.length > 0) resolve();
    });
  }
}
