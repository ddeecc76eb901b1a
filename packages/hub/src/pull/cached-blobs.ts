import { rm } from "node:fs/promises";
import { stat } from "node:fs/promises";
import { blobState, digestBlob, type ExpectedBlob } from "../cache/blob.js";
import type { BlobRecord } from "../cache/pull-record.js";
import { blobFile } from "../cache/snapshot.js";

/** How the blob of a file stands before a pull. */
export interface CachedBlob {
  /** Missing when it has to be brought. */
  readonly record?: BlobRecord;
  /** Why what was there cannot be used. */
  readonly damage?: string;
}

/**
 * Looks whether a blob is there and right. Bytes that nobody checked yet (Python's tools brought them), or that somebody
 * wrote to since, are compared with the hash once.
 */
export async function lookAtBlob(folder: string, expected: ExpectedBlob, record: BlobRecord | undefined, onCheck: () => void, signal: AbortSignal): Promise<CachedBlob> {
  const file = blobFile(folder, expected.blob);
  const state = await blobState(file, expected, record);
  if (state === "missing") return {};
  if (state === "known") return { record: record as BlobRecord };
  if (state === "damaged") return { damage: `it has ${(await stat(file)).size} bytes instead of ${expected.bytes}` };
  onCheck();
  const { right, sha256 } = await digestBlob(file, expected, signal);
  if (!right) return { damage: "its bytes are not those that its hash names" };
  const { size: bytes, mtimeMs } = await stat(file);
  return { record: { bytes, mtimeMs, sha256 } };
}

/** Removes a blob that cannot be used, whatever it is. */
export async function removeBlob(folder: string, blob: string): Promise<void> {
  await rm(blobFile(folder, blob), { recursive: true, force: true });
}
