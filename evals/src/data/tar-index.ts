import { open, type FileHandle } from "node:fs/promises";
import { EvalError } from "../eval-error.js";

/** Where a member of a tar file lies. */
export interface TarMember {
  readonly file: string;
  readonly offset: number;
  readonly bytes: number;
}

const block = 512;

/**
 * Members of a tar file (ustar, with GNU's and pax's long names) by name, reading their headers only.
 * @throws EvalError `data-changed` for a file that is no tar or ends early
 */
export async function indexTar(file: string): Promise<ReadonlyMap<string, TarMember>> {
  await using handle = await open(file);
  const { size } = await handle.stat();
  const members = new Map<string, TarMember>();
  const header = new Uint8Array(block);
  let longName: string | undefined;
  for (let at = 0; at + block <= size; ) {
    await handle.read(header, 0, block, at);
    if (header.every((byte) => byte === 0)) break;
    const bytes = octal(header, 124, 12);
    if (text(header, 257, 5) !== "ustar" || !Number.isSafeInteger(bytes) || at + block + bytes > size) {
      throw new EvalError("data-changed", `${file}: expected a whole tar file, found no member at byte ${at}; fetch it again`);
    }
    const type = String.fromCharCode(header[156] ?? 0);
    const body = at + block;
    if (type === "L") longName = text(await bytesAt(handle, body, bytes), 0, bytes);
    else if (type === "x") longName = /\d+ path=([^\n]+)\n/.exec(text(await bytesAt(handle, body, bytes), 0, bytes))?.[1] ?? longName;
    else {
      const prefix = text(header, 345, 155);
      const name = longName ?? (prefix === "" ? "" : `${prefix}/`) + text(header, 0, 100);
      if (type === "0" || type === "\0") members.set(name.replace(/^\.\//, ""), { file, offset: body, bytes });
      longName = undefined;
    }
    at = body + Math.ceil(bytes / block) * block;
  }
  return members;
}

/** The bytes of one member. */
export async function readMember({ file, offset, bytes }: TarMember): Promise<Uint8Array> {
  await using handle = await open(file);
  return bytesAt(handle, offset, bytes);
}

async function bytesAt(handle: FileHandle, at: number, bytes: number): Promise<Uint8Array> {
  const into = new Uint8Array(bytes);
  await handle.read(into, 0, bytes, at);
  return into;
}

function text(from: Uint8Array, at: number, length: number): string {
  const bytes = from.subarray(at, at + length);
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(end === -1 ? bytes : bytes.subarray(0, end));
}

function octal(from: Uint8Array, at: number, length: number): number {
  return Number.parseInt(text(from, at, length).trim(), 8);
}
