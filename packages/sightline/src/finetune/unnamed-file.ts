import { randomUUID } from "node:crypto";
import { open, rm, type FileHandle } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";

/** A file that lives as long as it is open, however the process ends; Windows keeps its name. */
export async function unnamedFile(): Promise<FileHandle> {
  const name = path.join(tmpdir(), `sightline-unnamed-${randomUUID()}`);
  const file = await open(name, "wx+");
  await rm(name, { force: true }).catch(() => undefined);
  return file;
}

/** Bytes `offset` to `offset + length` of a file. */
export async function readFully(file: FileHandle, offset: number, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  for (let done = 0; done < length; ) {
    const { bytesRead } = await file.read(bytes, done, Math.min(length - done, 2 ** 30), offset + done);
    if (bytesRead === 0) throw new Error(`readFully: the temporary file ends at byte ${offset + done}; was the disk full?`);
    done += bytesRead;
  }
  return bytes;
}
