import { copyFile, link, mkdir, readdir, readFile, readlink, rm, stat, symlink } from "node:fs/promises";
import path from "node:path";
import { HubError } from "../hub-error.js";
import { repositoryFolder } from "./cache-folder.js";
import { replaceFile } from "./pull-record.js";

const commitForm = /^[0-9a-f]{40}$/;

export function isCommit(revision: string): boolean {
  return commitForm.test(revision);
}

/** A repository at one commit, as it lies in the cache. */
export interface CachedSnapshot {
  readonly repository: string;
  readonly commit: string;
  readonly directory: string;
  /** Names of files whose bytes are there, with `/`; files that hang in the air (their blob was deleted) are not among them. */
  readonly files: readonly string[];
}

/** What the cache has of a repository at a revision; undefined where it has none. */
export async function cachedSnapshot(cache: string, repository: string, revision = "main"): Promise<CachedSnapshot | undefined> {
  const folder = repositoryFolder(cache, repository);
  const commit = await cachedCommit(folder, revision);
  if (commit === undefined) return undefined;
  const directory = snapshotFolder(folder, commit);
  const entries = await readdir(directory, { recursive: true }).catch(() => undefined);
  if (!entries) return undefined;
  const names = await Promise.all(entries.map(async (name) => ((await stat(path.join(directory, name)).catch(() => undefined))?.isFile() ? [name.split(path.sep).join("/")] : [])));
  return { repository, commit, directory, files: names.flat().sort() };
}

/** The commit that a revision was at when it was pulled last. */
export async function cachedCommit(folder: string, revision: string): Promise<string | undefined> {
  const text = isCommit(revision) ? revision : await readFile(path.join(folder, "refs", ...revision.split("/")), "utf8").catch(() => "");
  return isCommit(text.trim()) ? text.trim() : undefined;
}

export function snapshotFolder(folder: string, commit: string): string {
  return path.join(folder, "snapshots", commit);
}

export function blobFile(folder: string, blob: string): string {
  return path.join(folder, "blobs", blob);
}

/** Where a file of the repository appears in the cache. */
export function snapshotFile(folder: string, commit: string, file: string): string {
  return path.join(snapshotFolder(folder, commit), ...file.split("/"));
}

/**
 * Refuses names of files that would leave the snapshot's folder, on this system or on Windows.
 * @throws HubError `bad-response`
 */
export function checkFileName(file: string): void {
  const parts = file.split("/");
  // eslint-disable-next-line no-control-regex
  const unsafe = parts.some((part) => part === "" || part === "." || part === ".." || /[\\\u0000-\u001f]|^[a-z]:/i.test(part));
  if (unsafe) throw new HubError("bad-response", `the hub names a file ${JSON.stringify(file.slice(0, 200))}, which would lie outside its folder; nothing was written`);
}

/** Makes a file of a snapshot a relative link to its blob, or a copy where the system gives no links. */
export async function linkToBlob(folder: string, commit: string, file: string, blob: string): Promise<void> {
  const [at, to] = [snapshotFile(folder, commit, file), blobFile(folder, blob)];
  const target = path.relative(path.dirname(at), to);
  if ((await readlink(at).catch(() => undefined)) === target) return;
  await mkdir(path.dirname(at), { recursive: true });
  await rm(at, { force: true });
  try {
    await symlink(target, at);
  } catch (error) {
    // Windows gives links to administrators and developers only; some network disks give none.
    if (!["EPERM", "ENOTSUP", "ENOSYS", "EACCES"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
    await link(to, at).catch(() => copyFile(to, at));
  }
}

/** Says which commit a branch or tag is at; without a newline, as huggingface_hub reads it. */
export async function writeRef(folder: string, revision: string, commit: string): Promise<void> {
  if (isCommit(revision)) return;
  const file = path.join(folder, "refs", ...revision.split("/"));
  await mkdir(path.dirname(file), { recursive: true });
  await replaceFile(file, commit);
}
