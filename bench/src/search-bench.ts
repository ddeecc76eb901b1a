import { mkdtemp, open, rm, writeFile } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import path from "node:path";
import { performance } from "node:perf_hooks";
import { Command } from "commander";
import { openIndex } from "sightline";
import { peakResidentBytes } from "./peak-memory.js";

interface SearchBenchOptions {
  readonly rows: number;
  readonly width: number;
  readonly top: number;
  readonly threads: number;
  readonly queries: number;
  readonly folder?: string;
}

/** `bench search`: exact search over random embeddings, beside a scan of the same bytes that only adds them up. */
export function searchBench(): Command {
  return new Command("search")
    .option("--rows <n>", "embeddings", Number, 1_000_000)
    .option("--width <d>", "values of each (So400m has 1152)", Number, 1152)
    .option("--top <k>", "rows that are found", Number, 10)
    .option("--threads <n>", "threads that load and scan", Number, availableParallelism())
    .option("--queries <n>", "timed queries, one after the other; the median counts", Number, 15)
    .option("--folder <dir>", "where the file is written for the while (4.6 GB for a million rows)")
    .option("--json", "the default: one JSON object")
    .action(measure);
}

async function measure({ rows, width, top, threads, queries, folder: parent = tmpdir() }: SearchBenchOptions): Promise<void> {
  const folder = await mkdtemp(path.join(parent, "sightline-bench-"));
  try {
    const file = path.join(folder, "embeddings.npy");
    await writeRandomRows(file, rows, width);
    const loadCpu = process.cpuUsage();
    const started = performance.now();
    await using index = await openIndex(file, { threads });
    const loadMs = performance.now() - started;
    const loadCpuMs = cpuMs(loadCpu);
    const times: number[] = [];
    const cpuTimes: number[] = [];
    for (let i = 0; i <= queries; i++) {
      const query = randomUnits(1, width, i + 1);
      const cpu = process.cpuUsage();
      const from = performance.now();
      await index.search(query, top);
      // The first one compiles the kernel.
      if (i === 0) continue;
      times.push(performance.now() - from);
      cpuTimes.push(cpuMs(cpu));
    }
    const four = performance.now();
    await index.search(randomUnits(4, width, 99), top);
    const fourMs = performance.now() - four;
    const queryMs = median(times);
    process.stdout.write(
      `${JSON.stringify({
        rows,
        width,
        top,
        threads,
        loadMs: rounded(loadMs),
        loadCpuMs: rounded(loadCpuMs),
        queryMs: rounded(queryMs),
        queryCpuMs: rounded(median(cpuTimes)),
        worstQueryMs: rounded(Math.max(...times)),
        fourQueriesMs: rounded(fourMs),
        scanGigabytesPerSecond: rounded((rows * width * 2) / queryMs / 1e6),
        memoryMb: rounded(index.memory / 1e6),
        peakRssMb: rounded(peakResidentBytes() / 1e6),
      })}\n`,
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** A NumPy file of random unit rows, with names beside it. */
async function writeRandomRows(file: string, rows: number, width: number): Promise<void> {
  const fields = `{'descr': '<f4', 'fortran_order': False, 'shape': (${rows}, ${width}), }`;
  const header = Buffer.alloc(Math.ceil((11 + fields.length) / 64) * 64, " ");
  header.set([0x93, ...Buffer.from("NUMPY"), 1, 0]);
  header.writeUInt16LE(header.length - 10, 8);
  header.write(fields, 10, "latin1");
  header[header.length - 1] = 0x0a;
  await using handle = await open(file, "w");
  await handle.write(header);
  const atOnce = Math.max(1, Math.floor(2 ** 23 / (width * 4)));
  for (let first = 0; first < rows; first += atOnce) {
    const values = randomUnits(Math.min(atOnce, rows - first), width, first + 1000);
    await handle.write(new Uint8Array(values.buffer));
  }
  const lines = Array.from({ length: rows }, (_, i) => `{"key":"image-${i}","path":"images/image-${i}.jpg"}\n`);
  await writeFile(`${file}.keys.jsonl`, lines);
}

/** Rows spread evenly over directions, near enough: sums of uniform numbers. */
function randomUnits(rows: number, width: number, seed: number): Float32Array {
  const values = new Float32Array(rows * width);
  let state = seed;
  for (let row = 0; row < rows; row++) {
    let squares = 0;
    for (let d = row * width; d < (row + 1) * width; d++) {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
      const one = state >> 8;
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
      const value = one + (state >> 8);
      values[d] = value;
      squares += value * value;
    }
    const factor = 1 / Math.sqrt(squares);
    for (let d = row * width; d < (row + 1) * width; d++) values[d]! *= factor;
  }
  return values;
}

/** CPU time of all threads since then: what a busy machine changes least. */
function cpuMs(since: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(since);
  return (user + system) / 1000;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] as number;
}

function rounded(value: number): number {
  return Number(value.toPrecision(4));
}
