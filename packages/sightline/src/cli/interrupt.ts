import { exitCodes } from "./failure.js";

/**
 * Aborts on Ctrl-C. The first one lets the work end in order and the process leave with 130; a second one leaves at once.
 */
export function abortOnInterrupt(): AbortSignal {
  const controller = new AbortController();
  process.on("SIGINT", () => {
    if (controller.signal.aborted) process.exit(exitCodes.interrupted);
    controller.abort(new Error("interrupted"));
  });
  return controller.signal;
}
