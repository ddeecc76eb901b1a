import { createHash } from "node:crypto";
import type { ContentsRecord } from "./cache-contents.js";
import { DecoderError } from "./decoder-error.js";

/** A slot's cache as bytes: a line that names the format, a header's length, the header as JSON, llama.cpp's own state. */
const magic = "sightline KV cache 1\n";

/** What the header says beside the contents. */
export interface CacheOrigin {
  /** The model that the keys and values are of. */
  readonly model: string;
  readonly cacheTypes: string;
}

/** Puts contents and state together. */
export function writeCacheState(origin: CacheOrigin, contents: ContentsRecord, state: Uint8Array): Uint8Array {
  const head = new TextEncoder().encode(JSON.stringify({ ...origin, sha256: digest(state), ...contents }));
  const prefix = new TextEncoder().encode(`${magic}${String(head.length).padStart(12, "0")}\n`);
  const bytes = new Uint8Array(prefix.length + head.length + state.length);
  bytes.set(prefix);
  bytes.set(head, prefix.length);
  bytes.set(state, prefix.length + head.length);
  return bytes;
}

/**
 * Takes them apart again.
 * @throws DecoderError `bad-input` for bytes that are no such cache, or one of another model or another type of cache
 */
export function readCacheState(bytes: Uint8Array, origin: CacheOrigin): { readonly contents: ContentsRecord; readonly state: Uint8Array } {
  const bad = (problem: string, cause?: unknown): DecoderError => new DecoderError("bad-input", `restoreCache: ${problem}`, cause === undefined ? {} : { cause });
  const start = magic.length + 13;
  const ascii = new TextDecoder("latin1").decode(bytes.subarray(0, start));
  const length = Number(/^\d{12}\n$/.test(ascii.slice(magic.length)) ? ascii.slice(magic.length) : Number.NaN);
  if (!ascii.startsWith(magic) || !(start + length <= bytes.length)) throw bad(`expected what saveCache returns, got ${bytes.length} other bytes`);
  let header: Partial<CacheOrigin & ContentsRecord & { sha256: string }>;
  try {
    header = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(start, start + length)));
  } catch (cause) {
    throw bad("the header is damaged", cause);
  }
  for (const key of ["model", "cacheTypes"] as const) {
    if (header[key] !== origin[key]) throw bad(`expected a cache of ${origin[key]}, got one of ${String(header[key])}`);
  }
  const { cells, spans } = header;
  if (cells === undefined || spans === undefined || !isContents(cells, spans)) throw bad("the header does not say what the cache holds");
  const state = bytes.subarray(start + length);
  if (digest(state) !== header.sha256) throw bad("the state is damaged: it has another SHA-256 than when it was saved");
  return { contents: { cells, spans }, state };
}

function digest(state: Uint8Array): string {
  return createHash("sha256").update(state).digest("hex");
}

function isContents(cells: unknown, spans: unknown): boolean {
  if (!Array.isArray(cells) || !Array.isArray(spans) || !cells.every((cell) => Number.isInteger(cell) && cell >= -1)) return false;
  let end = 0;
  for (const span of spans) {
    const { start, length, id, positions } = span as Record<string, unknown>;
    if (typeof id !== "string" || ![start, length, positions].every((n) => Number.isInteger(n) && (n as number) >= 0)) return false;
    if ((start as number) < end || (positions as number) > (length as number)) return false;
    end = (start as number) + (length as number);
  }
  return end <= cells.length;
}
