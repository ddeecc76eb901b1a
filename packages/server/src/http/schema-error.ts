import type { z } from "zod";
import { ApiError } from "../api-error.js";

type Issue = z.core.$ZodIssue;

/** The first thing that is wrong with a body, by name; never its value, which may be a prompt or megabytes of image. */
export function schemaError(error: z.ZodError): ApiError {
  const { path, message } = deepest(error.issues[0] as Issue, []);
  const param = spelled(path);
  return new ApiError(400, param === undefined ? message : `${param}: ${message}`, { param, code: "invalid_value" });
}

/** Of a union's branches, the one that came furthest is the one that was meant. */
function deepest(issue: Issue, above: readonly PropertyKey[]): { readonly path: readonly PropertyKey[]; readonly message: string } {
  const path = [...above, ...issue.path];
  if (issue.code !== "invalid_union" || issue.errors.length === 0) return { path, message: issue.message };
  const found = issue.errors.flatMap((branch) => (branch[0] ? [deepest(branch[0], path)] : []));
  const furthest = found.reduce((best, one) => (one.path.length > best.path.length ? one : best), { path, message: issue.message } as (typeof found)[number]);
  if (furthest.path.length > path.length) return furthest;
  return { path, message: found.map(({ message }) => message).join("; or ") || issue.message };
}

function spelled(path: readonly PropertyKey[]): string | undefined {
  if (path.length === 0) return undefined;
  return path.map((key, i) => (typeof key === "number" ? `[${key}]` : `${i === 0 ? "" : "."}${String(key).slice(0, 64)}`)).join("");
}
