import { randomUUID } from "node:crypto";
import { mkdir, open, readFile, rm, stat, utimes } from "node:fs/promises";
import { hostname } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { repositoryFolderName } from "./cache-folder.js";
import { HubError } from "../hub-error.js";

/** Who holds a lock. */
export interface LockHolder {
  readonly pid: number;
  readonly host: string;
}

/** A lock that is held; `check` throws when another took it over, as after this process slept for long. */
export interface RepositoryLock {
  check(): Promise<void>;
  release(): Promise<void>;
}

export interface LockOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called once when another process holds the lock. */
  readonly onWait?: ((holder: LockHolder) => void) | undefined;
}

const heartbeatMs = 2_000;
/** A holder that gave no sign for so long is gone; on its own machine a process that is not there is gone at once. */
const staleMs = 60_000;
const pollMs = 100;

/**
 * Waits until nobody else pulls this repository into this cache, and keeps others waiting. Lies in the cache's `.locks`,
 * where Python's tools keep theirs.
 * @throws HubError `locked` from `check`; the signal's reason when it aborts
 */
export async function lockRepository(cache: string, repository: string, { signal, onWait }: LockOptions = {}): Promise<RepositoryLock> {
  const folder = path.join(cache, ".locks", repositoryFolderName(repository));
  const file = path.join(folder, "sightline.lock");
  const mine = JSON.stringify({ pid: process.pid, host: hostname(), id: randomUUID() });
  await mkdir(folder, { recursive: true });
  let told = false;
  while (!(await created(file, mine))) {
    signal?.throwIfAborted();
    const content = await readFile(file, "utf8").catch(() => undefined);
    if (content === undefined) continue;
    const holder = holderOf(content);
    if (await isGone(file, holder)) {
      await takeAway(file, content);
      continue;
    }
    if (!told && holder) onWait?.(holder);
    told = true;
    await sleep(pollMs, undefined, signal ? { signal } : {}).catch(() => signal?.throwIfAborted());
  }
  const heartbeat = setInterval(() => {
    const now = new Date();
    void utimes(file, now, now).catch(() => {});
  }, heartbeatMs);
  heartbeat.unref();
  const isMine = async (): Promise<boolean> => (await readFile(file, "utf8").catch(() => "")) === mine;
  return {
    async check() {
      if (!(await isMine())) throw new HubError("locked", `lockRepository: another process took over the pull of ${repository} while this one slept; run the command again`);
    },
    async release() {
      clearInterval(heartbeat);
      if (await isMine()) await rm(file, { force: true });
    },
  };
}

async function created(file: string, content: string): Promise<boolean> {
  try {
    await using handle = await open(file, "wx");
    await handle.writeFile(content);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

function holderOf(content: string): LockHolder | undefined {
  try {
    const { pid, host } = JSON.parse(content) as { readonly pid?: unknown; readonly host?: unknown };
    return typeof pid === "number" && typeof host === "string" ? { pid, host } : undefined;
  } catch {
    // Between creating and writing it is empty.
    return undefined;
  }
}

async function isGone(file: string, holder: LockHolder | undefined): Promise<boolean> {
  const stats = await stat(file).catch(() => undefined);
  if (!stats) return false;
  if (Date.now() - stats.mtimeMs > staleMs) return true;
  return holder !== undefined && holder.host === hostname() && !isRunning(holder.pid);
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // It runs, and belongs to someone else.
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** Removes a dead holder's lock. Of several who try, one at a time looks again before it removes. */
async function takeAway(file: string, content: string): Promise<void> {
  const guard = `${file}.taking`;
  if (!(await created(guard, ""))) {
    const stats = await stat(guard).catch(() => undefined);
    if (stats && Date.now() - stats.mtimeMs > staleMs) await rm(guard, { force: true });
    else await sleep(pollMs);
    return;
  }
  try {
    if ((await readFile(file, "utf8").catch(() => "")) === content) await rm(file, { force: true });
  } finally {
    await rm(guard, { force: true });
  }
}
