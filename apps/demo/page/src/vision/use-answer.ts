import { useEffect, useState } from "preact/hooks";

export type Asked<T> = { readonly state: "idle" } | { readonly state: "waiting"; readonly last?: T } | { readonly state: "known"; readonly value: T } | { readonly state: "failed"; readonly problem: string };

interface Reply<T> {
  /** Of the question that it answers. */
  readonly key: string | undefined;
  readonly asked: Asked<T>;
}

/**
 * What an asynchronous question is answered with. It is asked again when `key` changes, the earlier one being aborted, and
 * by `again`; without a key nothing is asked. An answer is never taken for that of another key.
 */
export function useAnswer<T>(key: string | undefined, question: (signal: AbortSignal) => Promise<T>): { readonly asked: Asked<T>; readonly again: () => void } {
  const [reply, setReply] = useState<Reply<T>>({ key: undefined, asked: { state: "idle" } });
  const [times, setTimes] = useState(0);
  useEffect(() => {
    if (key === undefined) {
      setReply({ key, asked: { state: "idle" } });
      return undefined;
    }
    const controller = new AbortController();
    const answer = (asked: Asked<T>): void => {
      if (!controller.signal.aborted) setReply({ key, asked });
    };
    setReply((now) => ({ key, asked: waitingAfter(now.asked) }));
    question(controller.signal).then(
      (value) => answer({ state: "known", value }),
      (error: unknown) => answer({ state: "failed", problem: error instanceof Error ? error.message : String(error) }),
    );
    return () => controller.abort();
  }, [key, times]);
  const asked: Asked<T> = key === undefined ? { state: "idle" } : reply.key === key ? reply.asked : waitingAfter(reply.asked);
  return { asked, again: () => setTimes(times + 1) };
}

function waitingAfter<T>(asked: Asked<T>): Asked<T> {
  if (asked.state === "known") return { state: "waiting", last: asked.value };
  return asked.state === "waiting" ? asked : { state: "waiting" };
}
