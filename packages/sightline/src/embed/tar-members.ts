import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import path from "node:path";
import { pipeline } from "node:stream";
import { createGunzip } from "node:zlib";
import { extract } from "tar-stream";
import { SightlineError } from "../sightline-error.js";

/** A file in a tar file. */
export interface TarMember {
  /** Its name in the tar file. */
  readonly name: string;
  /** Its content; undefined when it is larger than `maxBytes`. */
  readonly bytes: Uint8Array | undefined;
  /** Bytes. */
  readonly size: number;
}

export interface TarMembersOptions {
  /** Which members are read; others are passed over. */
  wanted(name: string): boolean;
  /** Largest member that is read, in bytes. */
  readonly maxBytes: number;
  /** Told how far the file has been read, 0 to 1. */
  onShare?(share: number): void;
}

/**
 * The files of a .tar, .tar.gz or .tgz, in their order, one in memory at a time.
 * @throws SightlineError `bad-input` when the file cannot be read, is damaged or ends too early; members before that
 * have come by then
 */
export async function* tarMembers(file: string, { wanted, maxBytes, onShare }: TarMembersOptions): AsyncGenerator<TarMember> {
  const source = createReadStream(file);
  const archive = extract();
  let failure: Error | null | undefined;
  const done = (error?: Error | null): void => {
    failure = error;
    // pipeline's own destroy of the last stream can come before tar-stream has a reader to tell.
    if (error && !archive.destroyed) archive.destroy(error);
  };
  if (/gz$/i.test(file)) pipeline(source, createGunzip(), archive, done);
  else pipeline(source, archive, done);
  try {
    const { size: total } = await stat(file);
    for await (const entry of archive) {
      const { name, size = 0, type } = entry.header;
      const read = (type === "file" || type === "contiguous-file") && wanted(name) && size <= maxBytes;
      const pieces: Buffer[] = [];
      for await (const piece of entry as AsyncIterable<Buffer>) if (read) pieces.push(piece);
      onShare?.(source.bytesRead / Math.max(1, total));
      if ((type === "file" || type === "contiguous-file") && wanted(name)) yield { name, size, bytes: read ? Buffer.concat(pieces) : undefined };
    }
  } catch (cause) {
    const error = failure ?? cause;
    const missing = error instanceof Error && "code" in error && error.code === "ENOENT";
    throw new SightlineError("bad-input", `tarMembers: ${file}: ${missing ? "no such file; check the path" : "is no tar file, damaged, or ends too early; download it again"}`, { cause: error });
  } finally {
    source.destroy();
  }
}

/** Whether a member is a file that its maker put there to be read, not what a system left beside it (`._x`, `.DS_Store`). */
export function isHidden(name: string): boolean {
  return path.posix.basename(name).startsWith(".");
}
