import type { Writable } from "node:stream";
import { pino, type Logger } from "pino";

/** Where structured log lines go, as JSON. */
export interface ServerLog {
  /** "info" when left out. */
  readonly level?: "error" | "warn" | "info" | "debug";
  /** Standard error when left out. */
  readonly destination?: Writable;
}

/** Lines never hold prompts, answers, keys or images: only what is named where they are written. */
export function createLog(options: ServerLog | undefined): Logger {
  if (!options) return pino({ level: "silent" });
  return pino({ level: options.level ?? "info", base: null, timestamp: pino.stdTimeFunctions.isoTime }, options.destination ?? pino.destination({ dest: 2, sync: true }));
}

/** What may be written of an error: its kind and where it came from. Its message may hold what a client sent. */
export function loggedError(error: unknown): Readonly<Record<string, unknown>> {
  if (!(error instanceof Error)) return { error: typeof error };
  const { code } = error as { readonly code?: unknown };
  const at = (error.stack ?? "").split("\n").filter((line) => /^\s+at /.test(line)).map((line) => line.trim());
  return { error: error.name, ...(typeof code === "string" ? { code } : {}), at: at.slice(0, 12), ...(error.cause === undefined ? {} : { cause: loggedError(error.cause) }) };
}
