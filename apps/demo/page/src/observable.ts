import { useLayoutEffect, useState } from "preact/hooks";

/** A value that tells its readers when it has become another. */
export interface Observable<T> {
  get(): T;
  set(next: T): void;
  update(change: (now: T) => T): void;
  subscribe(listener: () => void): () => void;
}

export function observable<T>(initial: T): Observable<T> {
  let value = initial;
  const listeners = new Set<() => void>();
  const set = (next: T): void => {
    if (Object.is(next, value)) return;
    value = next;
    for (const listener of [...listeners]) listener();
  };
  return {
    get: () => value,
    set,
    update: (change) => set(change(value)),
    subscribe(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}

/** The value, or the part of it that `select` picks; the component is drawn again when that part is another. */
export function useObservable<T>(source: Observable<T>): T;
export function useObservable<T, Part>(source: Observable<T>, select: (value: T) => Part): Part;
export function useObservable<T, Part>(source: Observable<T>, select?: (value: T) => Part): T | Part {
  const read = (): T | Part => (select ? select(source.get()) : source.get());
  const now = read();
  const [, redraw] = useState<unknown>(undefined);
  useLayoutEffect(() => {
    let drawn = read();
    const look = (): void => {
      const next = read();
      if (Object.is(next, drawn)) return;
      drawn = next;
      redraw({});
    };
    look();
    if (!Object.is(drawn, now)) redraw({});
    return source.subscribe(look);
  });
  return now;
}
