import { randomUUID } from "node:crypto";
import { open, readFile, rename, rm, stat, utimes } from "node:fs/promises";
import { hostname } from "node:os";
import { lockFile } from "./run-folder.js";

/** A shard that this worker has for itself. */
export interface ShardLock {
  release(): Promise<void>;
}

/**
 * Takes a shard for one worker among processes that share the folder. The lock is a file that is touched as long as the worker
 * lives; one that was not touched for `staleMs`, or whose process is gone from this machine, is taken over.
 *
 * Should two workers come to have the same shard after all (a machine that was suspended and came back), they do it twice and
 * write the same part: it costs time, and nothing else.
 * @returns undefined while another worker has it
 */
export async function lockShard(run: string, shard: number, staleMs: number): Promise<ShardLock | undefined> {
  const file = lockFile(run, shard);
  const owner = `${hostname()} ${process.pid} ${randomUUID()}`;
  if (!(await create(file, owner)) && !((await removeStale(file, staleMs)) && (await create(file, owner)))) return undefined;
  const touch = setInterval(() => {
    const now = new Date();
    // Taken over by another worker, or a folder that is away for a while: the part decides, not the lock.
    utimes(file, now, now).catch(() => undefined);
  }, staleMs / 4);
  touch.unref();
  return {
    async release() {
      clearInterval(touch);
      if ((await readFile(file, "utf8").catch(() => "")) === owner) await rm(file, { force: true });
    },
  };
}

async function create(file: string, owner: string): Promise<boolean> {
  try {
    await using handle = await open(file, "wx");
    await handle.writeFile(owner);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

/** Takes a lock away whose owner is gone. @returns whether the name is free now */
async function removeStale(file: string, staleMs: number): Promise<boolean> {
  const found = await readFile(file, "utf8").catch(() => undefined);
  const stats = await stat(file).catch(() => undefined);
  if (found === undefined || !stats) return true;
  if (Date.now() - stats.mtimeMs < staleMs && !isGone(found)) return false;
  // Renamed first: of several that find it stale, one gets it, and sees whether it is still the one that was stale.
  const aside = `${file}.${randomUUID()}`;
  try {
    await rename(file, aside);
  } catch {
    return true;
  }
  const taken = await readFile(aside, "utf8").catch(() => found);
  if (taken === found) await rm(aside, { force: true });
  else await rename(aside, file);
  return taken === found;
}

function isGone(owner: string): boolean {
  const [host, pid] = owner.split(" ");
  if (host !== hostname() || !Number.isSafeInteger(Number(pid))) return false;
  try {
    process.kill(Number(pid), 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ESRCH";
  }
}
