import { mkdtemp, rm } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import path from "node:path";
import { performance } from "node:perf_hooks";
import { fileURLToPath } from "node:url";
import { loadSiglip, type Siglip, type SiglipVisionConfig } from "@sightline/vision-tower";
import { Command, Option } from "commander";
import { writeRandomCheckpoint } from "./random-checkpoint.js";
import { towerVariants } from "./tower-variants.js";

const photo = fileURLToPath(new URL("../../packages/vision-tower/calibration/photo.jpg", import.meta.url));
const mini = fileURLToPath(new URL("../../models/mini/siglip", import.meta.url));

interface ThroughputOptions {
  readonly variant?: string;
  readonly file: string;
  readonly images: number;
  readonly threads: number;
  readonly rounds: number;
}

/** `bench throughput`: images a second from JPEG files, by how many callers ask for them, and on one session or two. */
export function throughputBench(): Command {
  return new Command("throughput")
    .addOption(new Option("--variant <name>", "a tower with random weights; mini's when left out").choices(Object.keys(towerVariants)))
    .option("--file <jpeg>", "the picture that is encoded", photo)
    .option("--images <n>", "images of a round", Number, 64)
    .option("--threads <n>", "threads of one session; two sessions share them", Number, availableParallelism())
    .option("--rounds <n>", "timed rounds; the best counts", Number, 3)
    .option("--json", "the default: one JSON object")
    .action(measure);
}

async function measure({ variant, file, images, threads, rounds }: ThroughputOptions): Promise<void> {
  const folder = await mkdtemp(path.join(tmpdir(), "sightline-bench-"));
  try {
    if (variant !== undefined) await writeRandomCheckpoint(towerVariants[variant] as SiglipVisionConfig, folder);
    const directory = variant === undefined ? mini : folder;
    const files = Array.from({ length: images }, () => file);
    await using tower = await loadSiglip(directory, { towers: ["vision"], threads });
    const half = Math.max(1, Math.floor(threads / 2));
    await using left = await loadSiglip(directory, { towers: ["vision"], threads: half });
    await using right = await loadSiglip(directory, { towers: ["vision"], threads: half });
    const ways = {
      oneAfterTheOther: async (): Promise<void> => {
        for (const each of files) await tower.encodeImages([each]);
      },
      concurrentCallers: () => callers([tower], files),
      oneCall: async (): Promise<void> => void (await tower.encodeImages(files)),
      twoSessionsOfHalfTheThreads: () => callers([left, right], files),
    };
    const best: Record<string, number> = {};
    // The ways take turns, so that a neighbour who slows the machine for a while slows all.
    for (let round = 0; round <= rounds; round++) {
      for (const [name, run] of Object.entries(ways)) {
        const started = performance.now();
        await run();
        const perSecond = (images / (performance.now() - started)) * 1000;
        // The first round opens sessions and warms caches.
        if (round > 0) best[name] = Math.max(best[name] ?? 0, perSecond);
      }
    }
    const imagesPerSecond = Object.fromEntries(Object.entries(best).map(([name, value]) => [name, Number(value.toPrecision(4))]));
    process.stdout.write(`${JSON.stringify({ model: variant ?? "mini", images, threads, imagesPerSecond })}\n`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Every file is a call of its own, spread over the towers. */
async function callers(towers: readonly Siglip[], files: readonly string[]): Promise<void> {
  await Promise.all(files.map((file, i) => (towers[i % towers.length] as Siglip).encodeImages([file])));
}
