import { open, readFile, rm } from "node:fs/promises";
import path from "node:path";
import { SightlineError } from "../sightline-error.js";

/**
 * Keeps a second process out of a folder, until the returned function is called. The lock of a process that was killed
 * is taken over.
 * @throws SightlineError `output-exists` naming the process that works there
 */
export async function lockFolder(folder: string): Promise<() => Promise<void>> {
  const file = path.join(folder, "lock");
  for (;;) {
    try {
      await using handle = await open(file, "wx");
      await handle.writeFile(`${process.pid}\n`);
      return () => rm(file, { force: true });
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
    }
    const owner = Number(await readFile(file, "utf8").catch(() => ""));
    if (owner > 0 && owner !== process.pid && isRunning(owner)) {
      throw new SightlineError("output-exists", `lockFolder: process ${owner} is writing ${folder}; wait for it, or remove ${file} if that is no such process`);
    }
    await rm(file, { force: true });
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // It runs, and belongs to someone else.
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}
