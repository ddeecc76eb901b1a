import type { FileHandle } from "node:fs/promises";
import { writeFully } from "./durable-file.js";

/**
 * The header of a NumPy file, format 1.0, for float32[rows, width] in C order, little-endian. The data starts at a
 * multiple of 64 bytes, as NumPy's own format description asks for.
 */
export function npyHeader(rows: number, width: number): Uint8Array {
  const fields = `{'descr': '<f4', 'fortran_order': False, 'shape': (${rows}, ${width}), }`;
  const preamble = 10;
  const length = Math.ceil((preamble + fields.length + 1) / 64) * 64;
  const header = Buffer.alloc(length, " ");
  header.set([0x93, ...Buffer.from("NUMPY"), 1, 0]);
  header.writeUInt16LE(length - preamble, 8);
  header.write(fields, preamble, "latin1");
  header[length - 1] = 0x0a;
  return header;
}

/** Beside a NumPy file: a line for each row with what it is called. */
export function keysFile(out: string): string {
  return `${out}.keys.jsonl`;
}

/** Beside a NumPy file: what a parquet file keeps in its own metadata. */
export function aboutFile(out: string): string {
  return `${out}.about.json`;
}

/** Writes float32[rows, width] as a NumPy file, as it comes. */
export async function writeNpy(to: FileHandle, rows: number, width: number, parts: AsyncIterable<{ readonly embeddings: Float32Array }>): Promise<void> {
  await writeFully(to, npyHeader(rows, width));
  for await (const { embeddings } of parts) await writeFully(to, new Uint8Array(embeddings.buffer, embeddings.byteOffset, embeddings.byteLength));
}
