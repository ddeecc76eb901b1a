import type { Named } from "../embed/embed-batches.js";
import type { Extent } from "./scan-tasks.js";

/** What a file of embeddings says about itself, as `sightline embed` writes it. */
export interface IndexAbout {
  /** As it was named to the command. */
  readonly model?: string;
  /** Of the model's files. */
  readonly fingerprint?: string;
}

/** Embeddings in a file, found but not read. */
export interface EmbeddingSource extends AsyncDisposable {
  readonly rows: number;
  /** D; 0 of a file without rows. */
  readonly width: number;
  readonly about: IndexAbout;
  /** An open file that holds the values, and where: little-endian float32. */
  readonly fd: number;
  readonly extents: readonly Extent[];
  /** What rows are called, in the order of `rows`; where the file does not say, a path is "#" and the row's number. */
  names(rows: readonly number[]): Promise<Named[]>;
}

/** The strings among what a file says about itself. */
export function aboutOf(json: string | undefined): IndexAbout {
  if (json === undefined) return {};
  let about: Partial<Record<"model" | "fingerprint", unknown>>;
  try {
    about = (JSON.parse(json) ?? {}) as typeof about;
  } catch {
    // Someone else's note under the same name; a search can do without it.
    return {};
  }
  const { model, fingerprint } = about;
  return { ...(typeof model === "string" ? { model } : {}), ...(typeof fingerprint === "string" ? { fingerprint } : {}) };
}
