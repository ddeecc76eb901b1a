import { z } from "zod";
import { nearestName } from "./nearest-name.js";

/** What is wrong with a value, in one line: the first wrong key, what it expects, and the nearest known one for an unknown key. */
export function problemOf(schema: z.ZodType, error: z.ZodError, value: unknown): string {
  const [issue] = error.issues;
  if (!issue) return error.message;
  const where = issue.path.join(".");
  if (issue.code !== "unrecognized_keys") return `${where === "" ? "" : `${where}: `}${issue.message}${got(value, issue.path)}`;
  const [key = ""] = issue.keys;
  const known = knownKeys(schema, issue.path);
  const near = nearestName(key, known);
  return `unknown key "${[...issue.path, key].join(".")}"; ${near === undefined ? `expected one of ${known.join(", ")}` : `did you mean "${near}"?`}`;
}

function got(value: unknown, at: readonly PropertyKey[]): string {
  const found = at.reduce<unknown>((inner, key) => (typeof inner === "object" && inner !== null ? Reflect.get(inner, key) : undefined), value);
  return found === undefined ? "" : `, got ${JSON.stringify(found)}`;
}

/** The keys that an object of the configuration may have. */
function knownKeys(schema: z.ZodType, at: readonly PropertyKey[]): string[] {
  let inner: z.core.$ZodType | undefined = schema;
  for (const key of at) inner = objectIn(inner)?.shape[String(key)];
  return Object.keys(objectIn(inner)?.shape ?? {});
}

/** The object inside optional, default and union types. */
function objectIn(type: z.core.$ZodType | undefined): z.ZodObject | undefined {
  if (type instanceof z.ZodObject) return type;
  if (type instanceof z.ZodOptional || type instanceof z.ZodDefault || type instanceof z.ZodPrefault) return objectIn(type.unwrap() as z.core.$ZodType);
  if (type instanceof z.ZodUnion) return type.options.map((option) => objectIn(option as z.core.$ZodType)).find((found) => found !== undefined);
  return undefined;
}
