import type { ImageSource } from "sightline";
import { EvalError } from "../eval-error.js";
import type { ImageStore } from "./image-store.js";
import type { Row } from "./read-rows.js";

/** A text or number of a row, as text. */
export function textOf(row: Row, ...names: readonly string[]): string {
  for (const name of names) {
    const value = row[name];
    if (typeof value === "string" || typeof value === "number" || typeof value === "bigint") return String(value);
  }
  throw lacks(row, names);
}

/** As `textOf`, undefined where there is none or it is empty. */
export function optionalText(row: Row, name: string): string | undefined {
  const value = row[name];
  return typeof value === "string" && value !== "" && value !== "nan" ? value : typeof value === "number" ? String(value) : undefined;
}

/** A list of texts; a text that holds JSON, or one alone, makes a list too. */
export function textsOf(row: Row, ...names: readonly string[]): readonly string[] {
  for (const name of names) {
    const value = row[name];
    if (Array.isArray(value)) return value.map(String);
    if (typeof value !== "string") continue;
    return value.trimStart().startsWith("[") ? (JSON.parse(value) as unknown[]).map(String) : [value];
  }
  throw lacks(row, names);
}

/** The picture of a row: `{bytes}` or bytes of a parquet file, base64 of a TSV, or a file's name. */
export function imageOf(row: Row, store: ImageStore, names: readonly string[] = ["image"]): () => Promise<ImageSource> {
  for (const name of names) {
    const value = row[name];
    if (value instanceof Uint8Array) return () => Promise.resolve(value);
    if (typeof value === "object" && value !== null) {
      const { bytes, path } = value as { readonly bytes?: unknown; readonly path?: unknown };
      if (bytes instanceof Uint8Array) return () => Promise.resolve(bytes);
      if (typeof path === "string") return () => store.find(path);
    }
    if (typeof value !== "string" || value === "") continue;
    // A picture is longer than any path.
    if (value.length > 400) return () => Promise.resolve(new Uint8Array(Buffer.from(value, "base64")));
    return () => store.find(value);
  }
  throw lacks(row, names);
}

function lacks(row: Row, names: readonly string[]): EvalError {
  return new EvalError("data-changed", `eval: expected a row with ${names.join(" or ")}, got one with ${Object.keys(row).join(", ")}; fetch the file again`);
}
