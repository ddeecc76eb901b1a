import { rm, writeFile, readFile } from "node:fs/promises";
import path from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { openIndex } from "sightline";
import { openEmbeddings } from "../../src/search/open-embeddings.js";
import { temporaryFolder } from "../command.js";
import { writeForeignParquet, writeNpyFile, writeOwnParquet, type Rows } from "./write-embeddings.js";

let folder: string;
beforeAll(async () => {
  folder = await temporaryFolder();
});
afterAll(() => rm(folder, { recursive: true }));

let files = 0;
const fresh = (extension: string): string => path.join(folder, `${files++}.${extension}`);

function seeded(seed: number): () => number {
  let state = seed | 1;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    return (state >>> 8) / 2 ** 24 - 0.5;
  };
}

function randomRows(rows: number, width: number, seed: number): number[][] {
  const next = seeded(seed);
  return Array.from({ length: rows }, () => Array.from({ length: width }, () => Math.fround(next())));
}

/** Cosines in doubles, sorted; ties by row. */
function bruteForce(rows: Rows, query: readonly number[], k: number): { row: number; score: number }[] {
  const length = (values: readonly number[]): number => Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
  return rows
    .map((values, row) => ({ row, score: values.reduce((sum, value, d) => sum + value * (query[d] as number), 0) / (length(values) * length(query)) }))
    .filter(({ score }) => Number.isFinite(score))
    .sort((a, b) => b.score - a.score || a.row - b.row)
    .slice(0, k)
    .map(({ row, score }) => ({ row, score: Math.max(-1, Math.min(1, score)) }));
}

describe("openIndex", () => {
  const writers = { "its own parquet": ["parquet", writeOwnParquet], "another writer's parquet": ["parquet", writeForeignParquet], "a NumPy file": ["npy", writeNpyFile] } as const;
  const cases = Object.entries(writers).map(([name, [extension, write]]) => ({ name, extension, write }));

  it.each(cases)("finds in $name exactly what sorting all cosines finds", async ({ extension, write }) => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: 70 }), fc.integer({ min: 1, max: 12 }), fc.nat(), async (count, width, k, seed) => {
        const rows = randomRows(count, width, seed);
        // Some are the same, some are nearly so, and one has no direction.
        for (let i = 3; i < count; i += 5) rows[i] = [...(rows[i - 2] as number[])];
        for (let i = 4; i < count; i += 7) rows[i] = (rows[i - 1] as number[]).map((value, d) => (d === 0 ? Math.fround(value * (1 + 1e-6)) : value));
        if (count > 10) rows[8] = rows[8]?.map(() => 0) as number[];
        const queries = randomRows(6, width, seed + 1);
        const file = fresh(extension);
        await write(file, rows);
        await using index = await openIndex(file);
        expect([index.size, index.width, index.unusable]).toEqual([count, width, count > 10 ? 1 : 0]);
        const hits = await index.search(Float32Array.from(queries.flat()), k);
        for (const [i, query] of queries.entries()) {
          expect(hits[i]?.map(({ row, score }) => ({ row, score }))).toEqual(bruteForce(rows, query, k));
        }
      }),
      { numRuns: 60 },
    );
  });

  it("reads what embed wrote where it lies, and copies what it must", async () => {
    const rows = randomRows(5000, 300, 5);
    const places: number[] = [];
    for (const write of [writeOwnParquet, writeForeignParquet]) {
      const file = fresh("parquet");
      await write(file, rows.slice(0, 4000));
      await using source = await openEmbeddings(file);
      places.push(source.extents.length, Number((source.extents[0]?.at ?? 0) > 0));
      expect(source.extents.reduce((sum, extent) => sum + extent.rows, 0)).toBe(4000);
    }
    // Two row groups, of 3495 rows in four pages and of 505 in one; and one copy, from byte 0 on.
    expect(places).toEqual([5, 1, 1, 0]);
  });

  it("finds the same with threads, over rows that lie in many row groups", async () => {
    const rows = randomRows(9000, 300, 5);
    const file = fresh("parquet");
    await writeOwnParquet(file, rows);
    const query = randomRows(1, 300, 6)[0] as number[];
    const want = bruteForce(rows, query, 25);
    for (const threads of [1, 3]) {
      await using index = await openIndex(file, { threads });
      const [hits] = await index.search([Float32Array.from(query)], 25);
      expect(hits?.map(({ row, score }) => ({ row, score }))).toEqual(want);
      expect(hits?.[0]).toMatchObject({ key: `k${want[0]?.row}`, path: `p${want[0]?.row}.jpg` });
    }
  });

  it("keeps searches apart that overlap", async () => {
    const rows = randomRows(4000, 600, 9);
    const file = fresh("npy");
    await writeNpyFile(file, rows);
    await using index = await openIndex(file, { threads: 2 });
    const queries = randomRows(9, 600, 10);
    const all = await Promise.all(queries.map((query) => index.search([Float32Array.from(query)], 3)));
    for (const [i, query] of queries.entries()) expect(all[i]?.[0]?.map(({ row }) => row)).toEqual(bruteForce(rows, query, 3).map(({ row }) => row));
  });

  it("orders equal rows as the file does, and finds each of a thousand", async () => {
    const rows = Array.from({ length: 1000 }, () => [1, 2, 3]);
    const file = fresh("npy");
    await writeNpyFile(file, rows);
    await using index = await openIndex(file);
    const [hits] = await index.search([Float32Array.from([1, 2, 2])], 1000);
    expect(hits?.map(({ row }) => row)).toEqual(rows.map((_, i) => i));
  });

  it("passes over rows of zeros, NaN and infinity, and takes the largest and the smallest floats", async () => {
    const rows = [[0, 0], [Number.NaN, 1], [Number.POSITIVE_INFINITY, 1], [3e38, 3e38], [1e-45, 0], [-1, 0]];
    const file = fresh("npy");
    await writeNpyFile(file, rows);
    await using index = await openIndex(file);
    expect(index.unusable).toBe(3);
    const [hits] = await index.search([Float32Array.from([1, 1])], 6);
    expect(hits?.map(({ row }) => row)).toEqual([3, 4, 5]);
  });

  it("finds a row by itself with a cosine of 1, whatever its length", async () => {
    const rows = randomRows(50, 33, 3).map((row, i) => row.map((value) => Math.fround(value * 10 ** ((i % 9) - 4))));
    const file = fresh("npy");
    await writeNpyFile(file, rows);
    await using index = await openIndex(file);
    const hits = await index.search(Float32Array.from(rows.flat()), 1);
    expect(hits.map(([hit]) => hit?.row)).toEqual(rows.map((_, i) => i));
    for (const [hit] of hits) expect(hit?.score).toBeCloseTo(1, 12);
  });

  it("opens a file without rows, which finds nothing", async () => {
    const file = fresh("npy");
    await writeNpyFile(file, []);
    await using index = await openIndex(file);
    expect(await index.search([Float32Array.from([1])], 5)).toEqual([[]]);
  });

  it("says before loading what memory it takes, and refuses what does not fit", async () => {
    const file = fresh("npy");
    await writeNpyFile(file, randomRows(100, 8, 1));
    const sizes: unknown[] = [];
    await using index = await openIndex(file, { onSize: (size) => sizes.push(size) });
    expect(sizes).toEqual([{ rows: 100, width: 8, memory: index.memory, free: expect.any(Number) as number }]);
    expect(index.memory).toBeGreaterThanOrEqual(100 * 16);
    // A sparse file: its header promises 400 GB, and they are there.
    const huge = fresh("npy");
    const header = (await import("../../src/embed/npy-file.js")).npyHeader(100_000_000, 1000);
    await writeFile(huge, header);
    await (await import("node:fs/promises")).truncate(huge, header.length + 100_000_000 * 4000);
    await expect(openIndex(huge)).rejects.toMatchObject({ code: "memory-short", message: expect.stringMatching(/100000000 embeddings of width 1000 take 1[\d,]+ MiB, and [\d,]+ MiB are free/) as string });
    await rm(huge);
  });

  it.each([
    ["missing.npy", undefined, /no such file/],
    ["a.csv", "1,2", /expected F\.parquet or F\.npy/],
    ["short.npy", Buffer.from("\x93NUMPY\x01\x00\xff\xff", "latin1"), /ends within its header/],
    ["text.npy", "hello hello hello", /is no NumPy file/],
    ["text.parquet", "hello hello hello", /cannot be read as parquet/],
  ])("refuses %s", async (name, content, message) => {
    const file = path.join(folder, name);
    if (content !== undefined) await writeFile(file, content);
    await expect(openIndex(file)).rejects.toMatchObject({ code: "bad-input", message: expect.stringMatching(message) as string });
  });

  it("refuses float64, a file that was cut short, lists of different lengths, and no column", async () => {
    const good = fresh("npy");
    await writeNpyFile(good, randomRows(10, 4, 1));
    const bytes = await readFile(good);
    const doubles = fresh("npy");
    await writeFile(doubles, bytes.toString("latin1").replace("<f4", "<f8"), "latin1");
    await expect(openIndex(doubles)).rejects.toThrow(/expected float32\[N, D\] in C order, got .*<f8/);
    const short = fresh("npy");
    await writeFile(short, bytes.subarray(0, -1));
    await expect(openIndex(short)).rejects.toThrow(/expected 10 rows of 4 values, and the file ends before/);
    const ragged = fresh("parquet");
    await writeForeignParquet(ragged, [[1, 2], [3]]);
    await expect(openIndex(ragged)).rejects.toThrow(/row 1: expected "embedding" to be a list of 2 numbers, got 1 numbers/);
    const { parquetWriteBuffer } = await import("hyparquet-writer");
    const other = fresh("parquet");
    await writeFile(other, new Uint8Array(parquetWriteBuffer({ columnData: [{ name: "vector", data: [1] }] })));
    await expect(openIndex(other)).rejects.toThrow(/expected a column "embedding", found vector/);
  });

  it("refuses queries of another width, without a direction, and after it is disposed", async () => {
    const file = fresh("npy");
    await writeNpyFile(file, randomRows(10, 4, 1));
    const index = await openIndex(file);
    await expect(index.search(new Float32Array(6), 1)).rejects.toThrow("expected vectors to be rows of 4 values, got 6 values");
    await expect(index.search([new Float32Array(4)], 1)).rejects.toMatchObject({ code: "bad-input" });
    await expect(index.search([Float32Array.of(1, 1, 1, 1)], 0)).rejects.toThrow("expected k to be at least 1");
    const last = index.search([Float32Array.of(1, 1, 1, 1)], 2);
    await index.dispose();
    await index.dispose();
    expect(await last).toHaveLength(1);
    await expect(index.search([Float32Array.of(1, 1, 1, 1)], 2)).rejects.toMatchObject({ code: "disposed" });
  });

  it("ends the loading when it is told to", async () => {
    const file = fresh("npy");
    await writeNpyFile(file, randomRows(10, 4, 1));
    await expect(openIndex(file, { signal: AbortSignal.abort(new Error("enough")) })).rejects.toThrow("enough");
  });
});
