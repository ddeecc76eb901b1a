import { mkdtemp, open, rm } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import path from "node:path";
import { performance } from "node:perf_hooks";
import type { Session } from "@sightline/graph";
import { calibrationImages, openCheckpoint, openVision, patchCount, type SiglipVisionConfig, type VisionPart } from "@sightline/vision-tower";
import { Command, Option } from "commander";
import { GemmPeak } from "./gemm-peak.js";
import { peakResidentBytes } from "./peak-memory.js";
import { writeRandomCheckpoint } from "./random-checkpoint.js";
import { towerVariants } from "./tower-variants.js";

interface TowerOptions {
  readonly variant: string;
  readonly threads: number;
  readonly runs: number;
  readonly batch: number;
}

/** `bench tower`: a vision tower with random weights in a file, in float32 and int8, against the machine's peaks. */
export function towerBench(): Command {
  return new Command("tower")
    .addOption(new Option("--variant <name>", "which tower").choices(Object.keys(towerVariants)).default("so400m-patch14-384"))
    .option("--threads <n>", "threads of one operation", Number, availableParallelism())
    .option("--batch <n>", "images in a run", Number, 1)
    .option("--runs <n>", "timed runs; the best counts", Number, 5)
    .option("--json", "the default: one JSON object")
    .action(measure);
}

async function measure({ variant, threads, runs, batch }: TowerOptions): Promise<void> {
  const config = towerVariants[variant] as SiglipVisionConfig;
  const folder = await mkdtemp(path.join(tmpdir(), "sightline-bench-"));
  try {
    const weightBytes = await writeRandomCheckpoint(config, folder);
    const before = peakResidentBytes();
    const loading = performance.now();
    const { vision, close } = await openCheckpoint(folder, { towers: ["vision"] }, true);
    const tower = vision as VisionPart;
    const float32 = (await openVision(tower, "float32", { device: "cpu", threads })).session;
    const load = { ms: performance.now() - loading, bytes: peakResidentBytes() - before };
    const file = path.join(folder, "model.safetensors");
    const readTwiceMs = (await timeReading(file)) + (await timeReading(file));
    const opening = performance.now();
    const { session: int8, report } = await openVision(tower, "int8", { device: "cpu", threads });
    const int8LoadMs = performance.now() - opening;

    const shape = { rows: patchCount(config) * batch, inner: config.width, columns: config.mlpWidth };
    await using peak = await GemmPeak.open(shape, threads, "float32");
    await using int8Peak = await GemmPeak.open(shape, threads, "int8");
    const [image] = await calibrationImages();
    const { feeds } = tower.prepare(Array(batch).fill(image));
    const time = async (session: Session): Promise<number> => {
      const started = performance.now();
      await session.run(feeds);
      return (performance.now() - started) / batch;
    };
    await time(float32);
    await time(int8);
    const best = { float32: Number.POSITIVE_INFINITY, int8: Number.POSITIVE_INFINITY };
    // Towers and matrix products take turns, so that a neighbour who slows the machine for a while slows them all.
    for (let run = 0; run < runs; run++) {
      for (let reading = 0; reading < 3; reading++) {
        await peak.read();
        await int8Peak.read();
      }
      best.float32 = Math.min(best.float32, await time(float32));
      best.int8 = Math.min(best.int8, await time(int8));
    }
    await Promise.all([float32, int8].map((session) => session[Symbol.asyncDispose]()));
    await close();
    const gflops = towerFlops(config) / best.float32 / 1e6;
    const result = {
      variant,
      threads,
      batch,
      gemmGflops: round(peak.gflops),
      int8GemmGops: round(int8Peak.gflops),
      float32: { msPerImage: round(best.float32), gflops: round(gflops), shareOfPeak: Number((gflops / peak.gflops).toFixed(3)) },
      int8: {
        msPerImage: round(best.int8),
        speedupOverFloat32: Number((best.float32 / best.int8).toFixed(3)),
        cosinePooled: round(report.cosinePooled),
        cosinePatch: round(report.cosinePatch),
        layers: `${report.int8Layers} of ${report.linearLayers}`,
        loadMs: round(int8LoadMs),
      },
      load: { ms: round(load.ms), overReadingTwice: Number((load.ms / readTwiceMs).toFixed(3)), peakBytesOverWeightBytes: Number((load.bytes / weightBytes).toFixed(3)) },
    };
    process.stdout.write(`${JSON.stringify(result)}\n`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Time to read a file into memory of its own, ms. */
async function timeReading(file: string): Promise<number> {
  const started = performance.now();
  await using handle = await open(file);
  const bytes = new Uint8Array((await handle.stat()).size);
  for (let at = 0; at < bytes.length; ) at += (await handle.read(bytes, at, Math.min(2 ** 24, bytes.length - at), at)).bytesRead;
  return performance.now() - started;
}

/** Multiply-adds of the matrix products, twice: patch embedding, blocks, attention, pooling head. */
function towerFlops(config: SiglipVisionConfig): number {
  const { width, mlpWidth, layers, heads, patchSize } = config;
  const patches = patchCount(config);
  const block = 2 * patches * (4 * width * width + 2 * width * mlpWidth) + 4 * patches * patches * width;
  const head = 4 * patches * heads * width + 2 * (4 * width * width + 2 * width * mlpWidth);
  return layers * block + 2 * patches * 3 * patchSize * patchSize * width + head;
}

function round(value: number): number {
  return Number(value.toPrecision(5));
}
