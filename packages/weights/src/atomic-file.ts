import { randomUUID } from "node:crypto";
import { open, rename, rm, type FileHandle } from "node:fs/promises";
import { WeightsError } from "./weights-error.js";

/** One call to the system writes at most this; some systems take no more than 2 GB. */
const maxWriteBytes = 2 ** 28;

/**
 * A file that appears under its name only when it is whole: written beside it, flushed to disk, renamed.
 * @throws WeightsError when the system refuses to write; what `write` itself throws passes through
 */
export async function writeAtomically(path: string, write: (append: (bytes: Uint8Array) => Promise<void>) => Promise<void>): Promise<void> {
  const partial = `${path}.${randomUUID().slice(0, 8)}.partial`;
  const bySystem = <T>(work: Promise<T>): Promise<T> =>
    work.catch((cause: unknown) => {
      throw new WeightsError(`${path}: cannot be written (${(cause as NodeJS.ErrnoException).code})`, { cause });
    });
  const file = await bySystem(open(partial, "wx"));
  try {
    await write((bytes) => bySystem(writeAll(file, bytes)));
    await bySystem(file.sync());
    await bySystem(file.close());
    await bySystem(rename(partial, path));
  } catch (error) {
    await file.close().catch(() => {});
    await rm(partial, { force: true });
    throw error;
  }
}

async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    done += (await file.write(bytes, done, Math.min(bytes.length - done, maxWriteBytes))).bytesWritten;
  }
}
