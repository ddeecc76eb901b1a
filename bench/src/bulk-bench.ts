import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, rm, stat, symlink } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { Command } from "commander";

const photo = fileURLToPath(new URL("../../packages/vision-tower/calibration/photo.jpg", import.meta.url));
const main = path.join(path.dirname(createRequire(import.meta.url).resolve("sightline/cli")), "main.js");

interface BulkBenchOptions {
  readonly images: number;
  readonly shardSize: number;
  readonly rounds: number;
}

/**
 * `bench bulk`: images a second of one worker and of two, one thread each, on one folder. Where `taskset` is, a worker has a core
 * of its own and no other, as if it were a machine: one alone would decode its next pictures on the second core.
 */
export function bulkBench(): Command {
  return new Command("bulk")
    .option("--images <n>", "pictures of a run", Number, 600)
    .option("--shard-size <n>", "of them in a job", Number, 20)
    .option("--rounds <n>", "runs with one worker and with two, in turns; the best of each counts", Number, 2)
    .option("--json", "the default: one JSON object")
    .action(measure);
}

async function measure({ images, shardSize, rounds }: BulkBenchOptions): Promise<void> {
  const folder = await mkdtemp(path.join(tmpdir(), "sightline-bench-"));
  try {
    const photos = path.join(folder, "photos");
    await mkdir(photos);
    for (let i = 0; i < images; i++) await symlink(photo, path.join(photos, `${String(i).padStart(6, "0")}.jpg`));
    let [one, two] = [0, 0];
    for (let round = 0; round < rounds; round++) {
      one = Math.max(one, await imagesPerSecond(path.join(folder, `one-${round}`), photos, shardSize, 1));
      two = Math.max(two, await imagesPerSecond(path.join(folder, `two-${round}`), photos, shardSize, 2));
    }
    const rounded = (value: number): number => Number(value.toPrecision(4));
    process.stdout.write(`${JSON.stringify({ model: "mini", images, shardSize, threadsEach: 1, coreEach: canPin, imagesPerSecond: { one: rounded(one), two: rounded(two) }, speedup: rounded(two / one) })}\n`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Of the time in which all workers are at work: loading the model is not counted. */
async function imagesPerSecond(run: string, photos: string, shardSize: number, workers: number): Promise<number> {
  await bulk(["submit", photos, "--run", run, "--task", "embed", "--shard-size", String(shardSize)]);
  const reports = await Promise.all(Array.from({ length: workers }, (_, core) => bulk(["work", "--run", run, "--threads", "1", "--json"], core)));
  const shares = reports.map((report) => (JSON.parse(report) as { shards: number }).shards);
  if (Math.min(...shares) === 0) throw new Error("bench bulk: a worker came too late for any shard; take more --images");
  const parts = path.join(run, "parts");
  const times: number[] = [];
  for (const name of await readdir(parts)) times.push((await stat(path.join(parts, name))).mtimeMs);
  times.sort((a, b) => a - b);
  // The middle half of the shards, by when they were done.
  const [from, to] = [Math.floor(times.length / 4), Math.floor((times.length * 3) / 4)];
  return ((to - from) * shardSize * 1000) / ((times[to] as number) - (times[from] as number));
}

const canPin = process.platform === "linux" && spawnSync("taskset", ["--version"]).status === 0;

async function bulk(args: readonly string[], core?: number): Promise<string> {
  const pinned = canPin && core !== undefined ? ["taskset", "-c", String(core)] : [];
  const [program = "", ...rest] = [...pinned, process.execPath, main, "bulk", ...args];
  const child = spawn(program, rest, { stdio: ["ignore", "pipe", "inherit"] });
  const pieces: Buffer[] = [];
  child.stdout.on("data", (piece: Buffer) => pieces.push(piece));
  const [code] = (await once(child, "close")) as [number | null];
  if (code !== 0) throw new Error(`bench bulk: sightline bulk ${args[0]} left with ${code}`);
  return Buffer.concat(pieces).toString();
}
