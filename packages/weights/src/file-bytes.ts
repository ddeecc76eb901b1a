import { constants } from "node:fs";
import { open, type FileHandle } from "node:fs/promises";
import { WeightsError } from "./weights-error.js";

// Opening a named pipe would otherwise wait for someone to write into it. Windows has neither.
const openFlags = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0);

/** Opens a file for reading. Throws WeightsError when it is missing, unreadable or no regular file. */
export async function openFile(path: string): Promise<{ readonly file: FileHandle; readonly size: number }> {
  let file: FileHandle | undefined;
  try {
    file = await open(path, openFlags);
    const stats = await file.stat();
    if (!stats.isFile()) throw new WeightsError(`${path}: expected a file, got a ${stats.isDirectory() ? "directory" : "special file"}`);
    return { file, size: stats.size };
  } catch (cause) {
    await file?.close();
    if (cause instanceof WeightsError) throw cause;
    const code = (cause as NodeJS.ErrnoException).code;
    throw new WeightsError(`${path}: ${code === "ENOENT" || code === "ENOTDIR" ? "no such file" : `cannot be opened (${code})`}`, { cause });
  }
}

/** One call to the system reads at most this; some systems take no more than 2 GB, and then not all. */
const maxReadBytes = 2 ** 28;

/**
 * Fills `into` from byte `position` of a file on.
 * @param name what is read, for errors: the file, and the tensor if there is one
 * @throws WeightsError when the file ends before, or the system cannot read it
 */
export async function readAt(file: FileHandle, name: string, into: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < into.length; ) {
    const { bytesRead } = await file.read(into, done, Math.min(into.length - done, maxReadBytes), position + done).catch((cause: unknown) => {
      throw new WeightsError(`${name}: cannot be read at byte ${position + done} (${(cause as NodeJS.ErrnoException).code})`, { cause });
    });
    if (bytesRead === 0) throw new WeightsError(`${name}: ended at byte ${position + done} while bytes ${position} to ${position + into.length} were read: it has become shorter`);
    done += bytesRead;
  }
}
