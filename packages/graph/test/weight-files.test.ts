import { mkdir, mkdtemp, open, readdir, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { add, gatherRows, Graph, GraphError, openSession, resolveWeights, type DeferredBytes, type ExternalBytes, type Tensor } from "../src/index.js";

// Above 128 MiB weights stay in files; the files here are almost all hole, so they cost no disk.
const manyRows = 9 * 2 ** 20;
const width = 4;
const bytesPerRow = 4 * width;

let folder: string;
let temporary: string;
const before = process.env["TMPDIR"];

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "graph-weights-"));
  temporary = path.join(folder, "tmp");
  await mkdir(temporary);
  process.env["TMPDIR"] = temporary;
});

afterEach(async () => {
  if (before === undefined) delete process.env["TMPDIR"];
  else process.env["TMPDIR"] = before;
  await rm(folder, { recursive: true });
});

/** A file whose row 1 is `row` and all else is zero, as a weight that starts at `byteOffset`. */
async function tableFile(name: string, row: readonly number[], rows: number, byteOffset: number): Promise<ExternalBytes> {
  const file = path.join(folder, name);
  await mkdir(path.dirname(file), { recursive: true });
  await using handle = await open(file, "w");
  await handle.truncate(byteOffset + rows * bytesPerRow);
  const values = Float32Array.from(row);
  await handle.write(new Uint8Array(values.buffer), 0, values.byteLength, byteOffset + bytesPerRow);
  return { file, byteOffset, byteLength: rows * bytesPerRow };
}

/** Row 1 of every table, added up, by ONNX Runtime. */
async function sumOfRows(tables: readonly (ExternalBytes | DeferredBytes)[]): Promise<number[]> {
  const graph = new Graph();
  const at = graph.input("at", "int64", [1]);
  const rows = tables.map((data, i) => gatherRows(graph.weight(`table${i}`, "float32", [data.byteLength / bytesPerRow, width], data), at));
  graph.output("sum", rows.reduce((a: Tensor, b: Tensor) => add(a, b)));
  await using session = await openSession(graph, { device: "cpu", threads: 1 });
  const { sum } = await session.run({ at: { dtype: "int64", shape: [1], data: BigInt64Array.of(1n) } });
  return [...(sum!.data as Float32Array)];
}

function deferred(rows: number, value: number): DeferredBytes {
  return { byteLength: rows * bytesPerRow, read: async () => new Float32Array(rows * width).fill(value) };
}

describe("weights of a small graph", () => {
  it("come out of their file and of a function alike", async () => {
    expect(await sumOfRows([await tableFile("small", [1, 2, 3, 4], 300, 8), deferred(300, 10)])).toEqual([11, 12, 13, 14]);
  });

  it("that lie beyond the end of their file are an error naming it", async () => {
    const table = await tableFile("short", [1, 2, 3, 4], 300, 0);
    await expect(sumOfRows([{ ...table, byteOffset: 16 }])).rejects.toThrow(/short ends before byte 4816/);
  });
});

describe("weights of a large graph", () => {
  it("stay in their file", async () => {
    const graph = new Graph();
    const table = await tableFile("large", [1, 2, 3, 4], manyRows, 8);
    const weight = graph.weight("table", "float32", [manyRows, width], table);
    const { data } = await resolveWeights(graph);
    expect(data.get(weight)).toEqual(table);
    expect(await sumOfRows([table])).toEqual([1, 2, 3, 4]);
    expect(await readdir(temporary)).toEqual([]);
  });

  it("may lie in several folders and behind links, as Hugging Face's cache lays them out", async () => {
    const first = await tableFile("blobs/ab12", [1, 2, 3, 4], manyRows, 8);
    const second = await tableFile("elsewhere/cd34", [10, 20, 30, 40], 300, 0);
    const link = path.join(folder, "snapshot.safetensors");
    await symlink(path.join("blobs", "ab12"), link);
    expect(await sumOfRows([{ ...first, file: link }, second])).toEqual([11, 22, 33, 44]);
  });

  it("that are computed go through one temporary file, page by page, which is gone afterwards", async () => {
    const table = await tableFile("large", [1, 2, 3, 4], manyRows, 0);
    const graph = new Graph();
    graph.weight("table", "float32", [manyRows, width], table);
    const computed = [300, 1000].map((rows, i) => graph.weight(`computed${i}`, "float32", [rows, width], deferred(rows, 100)));
    const { data, release } = await resolveWeights(graph);
    expect(computed.map((tensor) => data.get(tensor))).toMatchObject([
      { byteOffset: 0, byteLength: 4800 },
      { byteOffset: 8192, byteLength: 16000 },
    ]);
    expect(await readdir(temporary)).toHaveLength(1);
    await release();
    expect(await readdir(temporary)).toEqual([]);

    expect(await sumOfRows([table, deferred(300, 100)])).toEqual([101, 102, 103, 104]);
    expect(await readdir(temporary)).toEqual([]);
  });

  it("leave nothing behind when one cannot be read, or ONNX Runtime refuses the graph", async () => {
    const table = await tableFile("large", [1, 2, 3, 4], manyRows, 0);
    const broken: DeferredBytes = { byteLength: 4800, read: () => Promise.reject(new Error("unreadable")) };
    await expect(sumOfRows([table, broken])).rejects.toThrow("unreadable");
    await expect(sumOfRows([{ ...table, file: path.join(folder, "missing") }, deferred(300, 1)])).rejects.toThrow(GraphError);
    expect(await readdir(temporary)).toEqual([]);
  });
});
