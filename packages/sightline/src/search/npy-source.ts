import { createReadStream } from "node:fs";
import { open, readFile, stat, type FileHandle } from "node:fs/promises";
import { aboutFile, keysFile } from "../embed/npy-file.js";
import { readFully } from "../embed/durable-file.js";
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
  const names = new LineNames(keysFile(file));
  const about = aboutOf(await readFile(aboutFile(file), "utf8").catch(() => undefined));
  return {
    rows,
    width,
    about,
    fd: handle.fd,
    extents: rows === 0 ? [] : [{ at: dataAt, firstRow: 0, rows }],
    names: (asked) => names.of(asked),
    [Symbol.asyncDispose]: () => handle.close(),
  };
}

/** Names of rows, a line each; where the lines start is found at the first use. */
class LineNames {
  readonly #file: string;
  #starts: Promise<Float64Array> | undefined;

  constructor(file: string) {
    this.#file = file;
  }

  async of(rows: readonly number[]): Promise<Named[]> {
    this.#starts ??= lineStarts(this.#file);
    const starts = await this.#starts;
    if (starts.length === 0) return rows.map((row) => ({ key: `#${row}`, path: `#${row}` }));
    await using handle = await open(this.#file, "r");
    const names: Named[] = [];
    for (const row of rows) {
      const [start, end] = [starts[row], starts[row + 1]];
      if (start === undefined || end === undefined) throw new SightlineError("bad-input", `openIndex: ${this.#file}: has no line for row ${row}; it belongs to another file, or was cut short`);
      const line = new Uint8Array(end - start);
      await readFully(handle, line, start);
      names.push(JSON.parse(Buffer.from(line).toString()) as Named);
    }
    return names;
  }
}

/** Where each line starts, and where the last one ends; empty where there is no file. */
async function lineStarts(file: string): Promise<Float64Array> {
  if (!(await stat(file).catch(() => undefined))?.isFile()) return new Float64Array(0);
  let starts = new Float64Array(1024);
  let count = 1;
  for await (const { end } of byteLines(createReadStream(file, { highWaterMark: 2 ** 20 }))) {
    if (count === starts.length) {
      const more = new Float64Array(2 * count);
      more.set(starts);
      starts = more;
    }
    starts[count++] = end;
  }
  return starts.subarray(0, count);
}
