import type { PullEvent } from "./pull-event.js";

const windowMs = 5_000;

/** Turns counts of bytes into progress events with a rate over the last seconds and the time left. */
export function progressTeller(missingBytes: number, tell: (event: PullEvent) => void, now: () => number = Date.now): (received: number) => void {
  const seen: { readonly at: number; readonly received: number }[] = [];
  return (received) => {
    const at = now();
    seen.push({ at, received });
    while (seen.length > 2 && at - (seen[1] as { at: number }).at >= windowMs) seen.shift();
    const first = seen[0] as { at: number; received: number };
    const bytesPerSecond = at > first.at ? Math.max(0, ((received - first.received) / (at - first.at)) * 1000) : 0;
    tell({ type: "progress", receivedBytes: received, missingBytes, bytesPerSecond, secondsLeft: bytesPerSecond > 0 ? (missingBytes - received) / bytesPerSecond : undefined });
  };
}
