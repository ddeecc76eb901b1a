import { readFile, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { randomUUID } from "node:crypto";
import { z } from "zod";

/** What was learnt of a blob when it was checked. */
export interface BlobRecord {
  readonly bytes: number;
  /** Of the file when its bytes were last found right; another time means that somebody wrote to it. */
  readonly mtimeMs: number;
  /** Learnt while checking; undefined where the hub gave git's hash only. */
  readonly sha256?: string | undefined;
}

/** What was pulled of a repository at one commit. */
export interface CommitRecord {
  readonly revision: string;
  readonly pulledAt: string;
  /** Names in the repository and the blobs that hold them. */
  readonly files: Readonly<Record<string, string>>;
}

/**
 * `sightline.json` in a repository's folder of the cache: facts that no manifest could know (commits, sizes, hashes), learnt
 * at the first download. Python's tools pass it over, and removing the folder removes it.
 */
export interface PullRecord {
  readonly blobs: Readonly<Record<string, BlobRecord>>;
  readonly commits: Readonly<Record<string, CommitRecord>>;
}

const recordSchema = z.object({
  version: z.literal(1),
  blobs: z.record(z.string(), z.object({ bytes: z.number(), mtimeMs: z.number(), sha256: z.string().optional() })),
  commits: z.record(z.string(), z.object({ revision: z.string(), pulledAt: z.string(), files: z.record(z.string(), z.string()) })),
});

const recordFile = "sightline.json";
const nothing: PullRecord = { blobs: {}, commits: {} };

/** Empty where there is none; a damaged one counts as none, since everything in it can be learnt again. */
export async function readPullRecord(folder: string): Promise<PullRecord> {
  try {
    const { blobs, commits } = recordSchema.parse(JSON.parse(await readFile(path.join(folder, recordFile), "utf8")));
    return { blobs, commits };
  } catch {
    return nothing;
  }
}

/** Adds to the record; whoever calls holds the repository's lock. */
export async function addToPullRecord(folder: string, more: Partial<PullRecord>): Promise<void> {
  const before = await readPullRecord(folder);
  const record = { version: 1, blobs: { ...before.blobs, ...more.blobs }, commits: { ...before.commits, ...more.commits } };
  await replaceFile(path.join(folder, recordFile), `${JSON.stringify(record, undefined, 1)}\n`);
}

/** Writes a small file that others see in full or not at all; what is in it can be learnt again after a power cut. */
export async function replaceFile(file: string, text: string): Promise<void> {
  const staging = `${file}.${randomUUID().slice(0, 8)}.tmp`;
  try {
    await writeFile(staging, text);
    await rename(staging, file);
  } catch (error) {
    await rm(staging, { force: true });
    throw error;
  }
}
