import type { z } from "zod";

/** A configuration file that is missing, is no JSON, or holds a value that this package does not know; one line. */
export class ConfigError extends Error {
  override readonly name: string = "ConfigError";
  /** The file, as it was named by the caller. */
  readonly file: string;

  constructor(where: string, file: string, problem: string, options?: ErrorOptions) {
    super(`${where}: ${file}: ${problem}`, options);
    this.file = file;
  }
}

/** A value as an error shows it: JSON, on one line, not longer than a glance. */
export function shown(value: unknown): string {
  if (value === undefined) return "nothing";
  const text = JSON.stringify(value) ?? String(value);
  return text.length <= 60 ? text : `${text.slice(0, 57)}...`;
}

/** The first thing that a schema found wrong, with the field's path and what stands there. */
export function invalidConfig(where: string, file: string, error: z.ZodError, value: unknown): ConfigError {
  const issue = error.issues[0];
  if (issue === undefined) return new ConfigError(where, file, "is not valid", { cause: error });
  const came = issue.path.reduce<unknown>((at, key) => (at === null || typeof at !== "object" ? undefined : Reflect.get(at, key)), value);
  const field = issue.path.length === 0 ? "the file" : issue.path.join(".");
  // Zod's wording, less its heading and the type that came: the value itself says more.
  const wanted = issue.message.replace(/^(?:Invalid (?:input|option)|Too (?:big|small)): /, "").replace(/, received .*$/, "");
  return new ConfigError(where, file, `${field}: ${wanted}, got ${shown(came)}`, { cause: error });
}
