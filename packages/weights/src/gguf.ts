import type { FileHandle } from "node:fs/promises";
import path from "node:path";
import { openFile, readAt } from "./file-bytes.js";
import { FileSource } from "./file-source.js";
import { HeaderContinues, parseGgufHeader, type GgufHeader, type GgufStoredType } from "./gguf-header.js";
import type { GgufValue } from "./gguf-value.js";
import { quoted } from "./quoted.js";
import type { WeightSource } from "./weight-source.js";
import { WeightsError } from "./weights-error.js";

const firstReadBytes = 2 ** 20;
/** Gemma's vocabulary of 262,144 tokens takes 15 MB; nothing known comes near this. */
const maxHeaderBytes = 128 * 2 ** 20;

/**
 * Opens a GGUF file of version 2 or 3. Only its header is read; a longer one in steps that double.
 * @throws WeightsError naming the file, the tensor and the numbers that do not agree
 */
export async function openGguf(file: string): Promise<WeightSource> {
  const absolute = path.resolve(file);
  const opened = await openFile(absolute);
  try {
    const { metadata, tensors } = await readHeader(opened.file, absolute, opened.size);
    return new FileSource(absolute, "gguf", metadata, tensors, new Map([[absolute, opened.file]]));
  } catch (error) {
    await opened.file.close();
    throw error;
  }
}

/**
 * The metadata of a GGUF file with the types that it is stored as, in the file's order: what `writeGguf` takes to write the
 * same again.
 * @throws WeightsError as `openGguf`; and for an array of arrays, which cannot be written
 */
export async function readGgufMetadata(file: string): Promise<ReadonlyMap<string, GgufValue>> {
  const absolute = path.resolve(file);
  const opened = await openFile(absolute);
  try {
    const { metadata, types } = await readHeader(opened.file, absolute, opened.size);
    return new Map([...metadata].map(([key, value]) => {
      const type = types.get(key) as GgufStoredType;
      if (type.type === "array" && type.of === "array") throw new WeightsError(`readGgufMetadata: ${absolute}: ${quoted(key)} is an array of arrays, expected values or arrays of values`);
      return [key, { ...type, value } as GgufValue];
    }));
  } finally {
    await opened.file.close();
  }
}

async function readHeader(handle: FileHandle, file: string, size: number): Promise<GgufHeader> {
  let start = new Uint8Array(0);
  for (let length = firstReadBytes; length <= maxHeaderBytes; length *= 2) {
    const longer = new Uint8Array(Math.min(length, size));
    longer.set(start);
    await readAt(handle, file, longer.subarray(start.length), start.length);
    start = longer;
    try {
      return parseGgufHeader(start, file, size);
    } catch (error) {
      if (!(error instanceof HeaderContinues)) throw error;
    }
  }
  throw new WeightsError(`${file}: its header goes on beyond ${maxHeaderBytes} bytes`);
}
