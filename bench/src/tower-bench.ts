import { mkdtemp, open, rm } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import path from "node:path";
import { performance } from "node:perf_hooks";
import { Graph, openSession, type Shape, type Tensor } from "@sightline/graph";
import { patchCount, patchesOf, siglipPatchTokens, siglipPooledEmbedding, type SiglipVisionConfig } from "@sightline/vision-tower";
import { Command, Option } from "commander";
import { GemmPeak } from "./gemm-peak.js";
import { peakResidentBytes } from "./peak-memory.js";

const base = { width: 768, layers: 12, heads: 12, mlpWidth: 3072, layerNormEps: 1e-6 };
const so400m = { width: 1152, layers: 27, heads: 16, mlpWidth: 4304, layerNormEps: 1e-6 };

const variants: Readonly<Record<string, SiglipVisionConfig>> = {
  "base-patch16-224": { ...base, imageSize: 224, patchSize: 16 },
  "so400m-patch14-224": { ...so400m, imageSize: 224, patchSize: 14 },
  "so400m-patch14-384": { ...so400m, imageSize: 384, patchSize: 14 },
};

interface TowerOptions {
  readonly variant: string;
  readonly threads: number;
  readonly runs: number;
}

/** `bench tower`: a vision tower with random weights in a file, against the machine's GEMM peak of the same run. */
export function towerBench(): Command {
  return new Command("tower")
    .addOption(new Option("--variant <name>", "which tower").choices(Object.keys(variants)).default("so400m-patch14-384"))
    .option("--threads <n>", "threads of one operation", Number, availableParallelism())
    .option("--runs <n>", "timed runs; the best counts", Number, 5)
    .option("--json", "the default: one JSON object")
    .action(measure);
}

async function measure({ variant, threads, runs }: TowerOptions): Promise<void> {
  const config = variants[variant] as SiglipVisionConfig;
  const folder = await mkdtemp(path.join(tmpdir(), "sightline-bench-"));
  try {
    const { graph, weightBytes } = await randomTower(config, path.join(folder, "weights"));
    const before = peakResidentBytes();
    const loading = performance.now();
    await using session = await openSession(graph, { device: "cpu", threads });
    const loadMs = performance.now() - loading;
    const loadBytes = peakResidentBytes() - before;

    await using peak = await GemmPeak.open({ rows: patchCount(config), inner: config.width, columns: config.mlpWidth }, threads);
    const side = config.imageSize;
    const pixels = { dtype: "float32" as const, shape: [1, 3, side, side], data: new Float32Array(3 * side * side).fill(0.1) };
    const timeTower = async (): Promise<number> => {
      const started = performance.now();
      await session.run({ pixels });
      return performance.now() - started;
    };
    let best = Number.POSITIVE_INFINITY;
    await timeTower();
    // Tower and GEMM take turns, so that a neighbour who slows the machine for a while slows both.
    for (let run = 0; run < runs; run++) {
      for (let reading = 0; reading < 3; reading++) await peak.read();
      best = Math.min(best, await timeTower());
    }
    const gflops = towerFlops(config) / best / 1e6;
    const result = {
      variant,
      threads,
      gemmGflops: round(peak.gflops),
      float32: { msPerImage: round(best), gflops: round(gflops), shareOfPeak: Number((gflops / peak.gflops).toFixed(3)) },
      load: { ms: round(loadMs), peakBytesOverWeightBytes: Number((loadBytes / weightBytes).toFixed(3)) },
    };
    process.stdout.write(`${JSON.stringify(result)}\n`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Multiply-adds of the matrix products, twice: patch embedding, blocks, attention, pooling head. */
function towerFlops(config: SiglipVisionConfig): number {
  const { width, mlpWidth, layers, patchSize } = config;
  const patches = patchCount(config);
  const block = 2 * patches * (4 * width * width + 2 * width * mlpWidth) + 4 * patches * patches * width;
  const head = 2 * patches * 2 * width * width + 2 * (2 * width * width + 2 * width * mlpWidth);
  return layers * block + 2 * patches * 3 * patchSize * patchSize * width + head;
}

/** A tower whose weights are random bytes of one file, written a piece at a time. */
async function randomTower(config: SiglipVisionConfig, file: string): Promise<{ graph: Graph; weightBytes: number }> {
  const graph = new Graph();
  let weightBytes = 0;
  const parameter = (name: string, shape: Shape): Tensor => {
    const known = tensors.get(name);
    if (known) return known;
    const byteLength = shape.reduce<number>((product, dim) => product * Number(dim), 1) * 4;
    const tensor = graph.weight(name, "float32", shape, { file, byteOffset: weightBytes, byteLength });
    weightBytes += byteLength;
    tensors.set(name, tensor);
    return tensor;
  };
  const tensors = new Map<string, Tensor>();
  const pixels = graph.input("pixels", "float32", ["B", 3, config.imageSize, config.imageSize]);
  const tokens = siglipPatchTokens(patchesOf(pixels, config.patchSize), parameter, config, { fused: true });
  graph.output("patchTokens", tokens);
  graph.output("pooled", siglipPooledEmbedding(tokens, parameter, config));
  const piece = Float32Array.from({ length: 2 ** 20 }, () => (Math.random() - 0.5) * 0.06);
  await using handle = await open(file, "w");
  for (let written = 0; written < weightBytes; ) {
    written += (await handle.write(new Uint8Array(piece.buffer), 0, Math.min(piece.byteLength, weightBytes - written))).bytesWritten;
  }
  return { graph, weightBytes };
}

function round(value: number): number {
  return Number(value.toPrecision(5));
}
