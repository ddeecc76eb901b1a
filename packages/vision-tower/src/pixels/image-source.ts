import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { fileURLToPath } from "node:url";

import { ImageError } from "./image-error.js";

/** What an image can be read from: a path, a `file:` URL, or the bytes of a file. Nothing is ever fetched from a network. */
export type ImageSource = string | URL | Uint8Array | ArrayBuffer;

/** The bytes of one image file, and what to call them in an error. */
export interface ImageFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

const longestName = 200;

/** One line that can be shown: control characters would split it, and a very long one (a pasted data URL) would bury the rest. */
function showable(text: string): string {
  const line = text.replace(/[\p{Cc}\p{Zl}\p{Zp}]/gu, (c) => `\\u${c.codePointAt(0)!.toString(16).padStart(4, "0")}`);
  return line.length <= longestName ? line : `${line.slice(0, longestName / 2)}…${line.slice(-longestName / 4)}`;
}

function pathOf(source: string | URL): string {
  const text = typeof source === "string" ? source : source.href;
  const isUrl = typeof source !== "string" || /^file:\/\//i.test(source);
  if (!isUrl) {
    if (/^(?:https?|data|blob):/i.test(source)) {
      throw new ImageError("bad-source", showable(source), "is a URL, and decodeImage reads only files and bytes; fetch or decode it, and pass the bytes");
    }
    return source;
  }
  try {
    return fileURLToPath(text);
  } catch (cause) {
    throw new ImageError("bad-source", showable(text), "is not a URL of a local file; pass a file: URL, a path or bytes", { cause });
  }
}

function directory(name: string, options?: ErrorOptions): ImageError {
  return new ImageError("not-a-file", name, "is a directory; name an image file in it", options);
}

function openFailure(name: string, cause: unknown): ImageError {
  const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
  if (code === "ENOENT" || code === "ENOTDIR") return new ImageError("not-found", name, "no such file; check the path", { cause });
  if (code === "EISDIR") return directory(name, { cause });
  if (code === "EACCES" || code === "EPERM") return new ImageError("unreadable", name, "permission denied; check that you may read the file", { cause });
  return new ImageError("unreadable", name, "the file cannot be read; check the path and the disk", { cause });
}

function checkSize(name: string, byteLength: number, maxBytes: number): void {
  if (byteLength === 0) throw new ImageError("empty", name, "has 0 bytes; expected an image file");
  if (byteLength > maxBytes) {
    throw new ImageError("too-many-bytes", name, `has ${byteLength} bytes, and the limit is ${maxBytes}; use a smaller file or raise limits.maxBytes`);
  }
}

/** Reads at most `maxBytes`, whatever the size was when the file was opened. */
async function readFile(path: string, name: string, maxBytes: number, signal: AbortSignal | undefined): Promise<Uint8Array> {
  try {
    // A FIFO blocks until someone writes to it unless it is opened without waiting; O_NONBLOCK changes nothing for files.
    // Windows has no such flag.
    const { O_RDONLY, O_NONBLOCK = 0 } = constants;
    await using file = await open(path, O_RDONLY | O_NONBLOCK);
    const stat = await file.stat();
    if (stat.isDirectory()) throw directory(name);
    if (!stat.isFile()) throw new ImageError("not-a-file", name, "is not a regular file; copy the image to a file first");
    checkSize(name, stat.size, maxBytes);
    const bytes = new Uint8Array(stat.size);
    let length = 0;
    while (length < bytes.length) {
      signal?.throwIfAborted();
      const { bytesRead } = await file.read(bytes, length, Math.min(bytes.length - length, 1 << 22));
      if (bytesRead === 0) break;
      length += bytesRead;
    }
    checkSize(name, length, maxBytes);
    return bytes.subarray(0, length);
  } catch (cause) {
    if (cause instanceof ImageError || signal?.aborted) throw cause;
    throw openFailure(name, cause);
  }
}

/**
 * The bytes behind `source`: a file is read whole, bytes are taken as they are (not copied).
 *
 * @throws ImageError when there is no such file, it is not a regular file, or it has 0 or more than `maxBytes` bytes.
 */
export async function readImageFile(source: ImageSource, maxBytes: number, signal?: AbortSignal): Promise<ImageFile> {
  signal?.throwIfAborted();
  if (typeof source === "string" || source instanceof URL) {
    const path = pathOf(source);
    const name = showable(path);
    if (path === "") throw new ImageError("bad-source", '""', "is an empty path; name an image file");
    return { name, bytes: await readFile(path, name, maxBytes, signal) };
  }
  if (!(source instanceof Uint8Array) && !(source instanceof ArrayBuffer)) {
    throw new ImageError("bad-source", `<${typeof source}>`, "expected a path, a file: URL, a Uint8Array or an ArrayBuffer");
  }
  const bytes = source instanceof Uint8Array ? source : new Uint8Array(source);
  const name = `<${bytes.length} bytes>`;
  checkSize(name, bytes.length, maxBytes);
  return { name, bytes };
}
