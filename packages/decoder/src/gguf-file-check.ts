import { open } from "node:fs/promises";
import { DecoderError } from "./decoder-error.js";

/**
 * A cheap look at a file before native code reads it: is it there, is it a GGUF of a known version, is it more than a header?
 * What its header says is checked by checkDecoderHeader.
 * @returns the file's size in bytes
 * @throws DecoderError `bad-model-file`
 */
export async function checkGgufFile(file: string): Promise<number> {
  const fail = (problem: string, cause?: unknown): DecoderError =>
    new DecoderError("bad-model-file", `loadDecoder: ${file}: ${problem}`, cause === undefined ? undefined : { cause });
  let handle;
  try {
    handle = await open(file, "r");
  } catch (error) {
    throw fail(error instanceof Error && "code" in error && error.code === "ENOENT" ? "no such file" : `cannot be opened: ${String(error)}`, error);
  }
  try {
    const stat = await handle.stat();
    if (!stat.isFile()) throw fail("expected a GGUF file, got a directory or device");
    const header = Buffer.alloc(24);
    const { bytesRead } = await handle.read(header, 0, 24, 0);
    if (bytesRead < 24) throw fail(`expected a GGUF file of at least 24 bytes, got ${stat.size} bytes`);
    const magic = header.toString("latin1", 0, 4);
    if (magic !== "GGUF") throw fail(`expected a GGUF file (magic "GGUF"), got ${JSON.stringify(magic)}`);
    const version = header.readUInt32LE(4);
    if (version !== 2 && version !== 3) throw fail(`expected GGUF version 2 or 3, got ${version}`);
    const [tensors, keys] = [header.readBigUInt64LE(8), header.readBigUInt64LE(16)];
    // A tensor takes at least 24 bytes of the header (name length, rank, type, offset), a key at least 13.
    const least = 24n + tensors * 24n + keys * 13n;
    if (BigInt(stat.size) < least) {
      throw fail(`its header promises ${tensors} tensors and ${keys} keys, at least ${least} bytes, got ${stat.size}: truncated?`);
    }
    return stat.size;
  } finally {
    await handle.close();
  }
}
