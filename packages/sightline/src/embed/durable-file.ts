import { open, rename, type FileHandle } from "node:fs/promises";
import path from "node:path";

/**
 * Writes a file that is there in full or not at all, whatever happens meanwhile: written to `staging`, synced, renamed.
 * @param staging on the same disk as `file`
 */
export async function writeDurably(file: string, staging: string, write: (to: FileHandle) => Promise<void>): Promise<void> {
  {
    await using handle = await open(staging, "w");
    await write(handle);
    await handle.sync();
  }
  await rename(staging, file);
  await syncFolder(path.dirname(file));
}

/** Makes names in a folder survive a power cut, where the system can. */
export async function syncFolder(folder: string): Promise<void> {
  // Windows opens no folders.
  if (process.platform === "win32") return;
  await using handle = await open(folder, "r");
  await handle.sync();
}

/** Writes all bytes, at the handle's position or at `at`. */
export async function writeFully(handle: FileHandle, bytes: Uint8Array, at?: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, at === undefined ? null : at + done);
    done += bytesWritten;
  }
}

/** Reads exactly `bytes.length` bytes from `at`. Throws RangeError when the file ends before. */
export async function readFully(handle: FileHandle, bytes: Uint8Array, at: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesRead } = await handle.read(bytes, done, bytes.length - done, at + done);
    if (bytesRead === 0) throw new RangeError(`readFully: expected ${bytes.length} bytes from ${at}, the file ends after ${done} of them`);
    done += bytesRead;
  }
}
