import { createHash, type Hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import type { BlobRecord } from "./pull-record.js";

/** What a blob must be, from the hub. */
export interface ExpectedBlob {
  /** Its name in `blobs`: the SHA-256 of large files, git's hash of others. */
  readonly blob: string;
  readonly bytes: number;
}

/** What a file's bytes came to. */
export interface BlobDigest {
  readonly right: boolean;
  readonly sha256: string;
}

/**
 * Reads a file and compares it with the hash that names its blob: SHA-256 (64 digits), or git's SHA-1 over `blob <size>\0`
 * and the bytes (40 digits). A name of another form, as from a mirror, can be compared by size only.
 */
export async function digestBlob(file: string, { blob, bytes }: ExpectedBlob, signal?: AbortSignal): Promise<BlobDigest> {
  const sha256 = createHash("sha256");
  const git = isGitHash(blob) ? createHash("sha1").update(`blob ${bytes}\0`) : undefined;
  let read = 0;
  for await (const chunk of createReadStream(file, { highWaterMark: 2 ** 20, ...(signal ? { signal } : {}) })) {
    read += (chunk as Buffer).length;
    for (const hash of [sha256, git] as (Hash | undefined)[]) hash?.update(chunk as Buffer);
  }
  const digest = sha256.digest("hex");
  const right = read === bytes && (git ? git.digest("hex") === blob : !isSha256(blob) || digest === blob);
  return { right, sha256: digest };
}

export function isSha256(blob: string): boolean {
  return /^[0-9a-f]{64}$/.test(blob);
}

function isGitHash(blob: string): boolean {
  return /^[0-9a-f]{40}$/.test(blob);
}

/**
 * How a blob in the cache stands: `missing`; `damaged`, when it has another size; `known`, when nobody wrote to it since its
 * bytes were checked; else `unknown`.
 */
export async function blobState(file: string, { bytes }: Pick<ExpectedBlob, "bytes">, record: BlobRecord | undefined): Promise<"missing" | "damaged" | "known" | "unknown"> {
  const stats = await stat(file).catch(() => undefined);
  if (!stats) return "missing";
  if (!stats.isFile() || stats.size !== bytes) return "damaged";
  return record?.bytes === stats.size && record.mtimeMs === stats.mtimeMs ? "known" : "unknown";
}
