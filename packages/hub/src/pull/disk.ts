import { existsSync } from "node:fs";
import { mkdir, statfs } from "node:fs/promises";
import path from "node:path";
import { byteText } from "../byte-text.js";
import { HubError } from "../hub-error.js";

/** For links, records and what others write meanwhile. */
const reserveBytes = 16 * 2 ** 20;

/**
 * Refuses a pull that the disk has no room for, before its first byte.
 * @throws HubError `no-space` with both numbers
 */
export async function checkFreeSpace(cache: string, bytes: number, model: string): Promise<void> {
  if (bytes <= 0) return;
  await mkdir(cache, { recursive: true });
  const free = await freeBytes(cache);
  if (free === undefined || bytes + reserveBytes <= free) return;
  throw new HubError("no-space", `${model} needs ${byteText(bytes)} more, and ${cache} has ${byteText(free)} free; make room there, or pull elsewhere with --cache-dir or HF_HOME`);
}

/** What the disk of a folder has free for this user; undefined where the system does not say. */
export async function freeBytes(folder: string): Promise<number | undefined> {
  const disk = await statfs(folder).catch(() => undefined);
  return disk && disk.bavail * disk.bsize;
}

/** An error of the disk as one line with what to do; others as they are. */
export function diskFailure(error: unknown, cache: string): unknown {
  const { code, path: from, dest } = error as { readonly code?: unknown; readonly path?: unknown; readonly dest?: unknown };
  const at = dest ?? from;
  if (!(error instanceof Error) || error instanceof HubError || typeof code !== "string") return error;
  const where = typeof at === "string" ? at : cache;
  switch (code) {
    case "ENOSPC":
    case "EDQUOT":
      return new HubError("no-space", `the disk of ${cache} is full; make room and run the command again, it goes on where it was`, { cause: error });
    case "EACCES":
    case "EPERM":
    case "EROFS":
      return new HubError("cache-damaged", `${where} cannot be written to (${code}); give yourself the right, or pull elsewhere with --cache-dir or HF_HOME`, { cause: error });
    case "ENOTDIR":
    case "EEXIST":
    case "EISDIR":
      return new HubError("cache-damaged", `${firstThere(where)} is not what a Hugging Face cache has there (${code}); remove it and run the command again`, { cause: error });
    default:
      return error;
  }
}

/** The path, or what stands in its way: the nearest above it that is there. */
function firstThere(at: string): string {
  return existsSync(at) || at === path.dirname(at) ? at : firstThere(path.dirname(at));
}
