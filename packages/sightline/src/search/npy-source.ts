import { createReadStream } from "node:fs";
import { readFile, stat, type FileHandle } from "node:fs/promises";
import { aboutFile, keysFile } from "../embed/npy-file.js";
import { byteLines } from "../embed/byte-lines.js";
import type { Named } from "../embed/embed-batches.js";
import { SightlineError } from "../sightline-error.js";
import { aboutOf, type EmbeddingSource } from "./embedding-source.js";

const magic = Buffer.from([0x93, ...Buffer.from("NUMPY")]);

/** A NumPy file of float32[N, D] in C order; F.npy.keys.jsonl names its rows, where it is there. */
export async function openNpy(file: string, handle: FileHandle): Promise<EmbeddingSource> {
  const bad = (problem: string): SightlineError => new SightlineError("bad-input", `openIndex: ${file}: ${problem}`);
  const { size } = await handle.stat();
  const start = Buffer.alloc(12);
  await handle.read(start, 0, 12, 0);
  if (!start.subarray(0, 6).equals(magic)) throw bad("is no NumPy file");
  // Format 1.0 has two bytes for the header's length, 2.0 and 3.0 have four.
  const long = (start[6] as number) > 1;
  const dataAt = long ? 12 + start.readUInt32LE(8) : 10 + start.readUInt16LE(8);
  if (dataAt > size) throw bad("ends within its header; write it again");
  const header = Buffer.alloc(dataAt - (long ? 12 : 10));
  await handle.read(header, 0, header.length, dataAt - header.length);
  const text = header.toString("latin1");
  const [, dtype] = /'descr':\s*'([^']*)'/.exec(text) ?? [];
  const [, rows, width] = /'shape':\s*\((\d+),\s*(\d+),?\s*\)/.exec(text)?.map(Number) ?? [];
  if (dtype !== "<f4" || rows === undefined || width === undefined || !/'fortran_order':\s*False/.test(text)) {
    throw bad(`expected float32[N, D] in C order, got ${text.trim()}; in Python: np.save(file, np.ascontiguousarray(rows, dtype="<f4"))`);
  }
  if (size < dataAt + rows * width * 4) throw bad(`expected ${rows} rows of ${width} values, and the file ends before; write it again`);
  const about = aboutOf(await readFile(aboutFile(file), "utf8").catch(() => undefined));
  return {
    rows,
    width,
    about,
    fd: handle.fd,
    extents: rows === 0 ? [] : [{ at: dataAt, firstRow: 0, rows }],
    names: (asked) => namesIn(keysFile(file), asked),
    [Symbol.asyncDispose]: () => handle.close(),
  };
}

async function namesIn(file: string, rows: readonly number[]): Promise<Named[]> {
  const names = new Map<number, Named>();
  if ((await stat(file).catch(() => undefined))?.isFile()) {
    const wanted = new Set(rows);
    let row = 0;
    for await (const { bytes } of byteLines(createReadStream(file, { highWaterMark: 2 ** 20 }))) {
      if (wanted.has(row)) names.set(row, JSON.parse(Buffer.from(bytes).toString()) as Named);
      row++;
      if (names.size === wanted.size) break;
    }
  }
  return rows.map((row) => names.get(row) ?? { key: `#${row}`, path: `#${row}` });
}
