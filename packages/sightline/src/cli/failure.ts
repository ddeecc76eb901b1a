/** What a command exits with. */
export const exitCodes = { success: 0, failure: 1, usage: 2, interrupted: 130 } as const;

/** The command was called in a way that it does not know. */
export class UsageError extends Error {
  override readonly name: string = "UsageError";
}

/** Prints one clear line to stderr; with `verbose` the stack and its causes too. */
export function reportFailure(error: unknown, verbose: boolean): void {
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(`sightline: ${message.split("\n", 1)[0]}\n`);
  if (!verbose) return;
  for (let cause = error; cause instanceof Error; cause = cause.cause) process.stderr.write(`${cause.stack ?? cause.message}\n`);
}
