import { useEffect, useState } from "preact/hooks";

export type Asked<T> = { readonly state: "idle" } | { readonly state: "waiting"; readonly last?: T } | { readonly state: "known"; readonly value: T } | { readonly state: "failed"; readonly problem: string };

/**
 * What an asynchronous question is answered with. It is asked again when `key` changes, the earlier one being aborted, and
 * by `again`; without a key nothing is asked.
 */
export function useAnswer<T>(key: string | undefined, question: (signal: AbortSignal) => Promise<T>): { readonly asked: Asked<T>; readonly again: () => void } {
  const [asked, setAsked] = useState<Asked<T>>({ state: "idle" });
  const [times, setTimes] = useState(0);
  useEffect(() => {
    if (key === undefined) {
      setAsked({ state: "idle" });
      return undefined;
    }
    const controller = new AbortController();
    setAsked((now) => (now.state === "known" ? { state: "waiting", last: now.value } : { state: "waiting" }));
    question(controller.signal).then(
      (value) => !controller.signal.aborted && setAsked({ state: "known", value }),
      (error: unknown) => !controller.signal.aborted && setAsked({ state: "failed", problem: error instanceof Error ? error.message : String(error) }),
    );
    return () => controller.abort();
  }, [key, times]);
  return { asked, again: () => setTimes(times + 1) };
}
