import { availableParallelism } from "node:os";
import { performance } from "node:perf_hooks";
import { ChunkedSigmoidLoss, pairLabels } from "@sightline/contrastive";
import { Command } from "commander";
import { GemmPeak } from "./gemm-peak.js";
import { peakResidentBytes } from "./peak-memory.js";

interface LossOptions {
  readonly pairs: number;
  readonly chunk: number;
  readonly width: number;
  readonly threads: number;
}

/** `bench loss`: the sigmoid loss of a batch and its gradients by both embeddings, tile by tile. */
export function lossBench(): Command {
  return new Command("loss")
    .option("--pairs <n>", "pairs of the batch", Number, 32_768)
    .option("--chunk <n>", "images, and texts, of a tile", Number, 1024)
    .option("--width <n>", "width of the embeddings", Number, 768)
    .option("--threads <n>", "threads of one operation", Number, availableParallelism())
    .option("--json", "the default: one JSON object")
    .action(measure);
}

async function measure({ pairs, chunk, width, threads }: LossOptions): Promise<void> {
  const labels = pairLabels({ images: pairs, imageOfText: Int32Array.from({ length: pairs }, (_, i) => i) });
  await using sigmoid = await ChunkedSigmoidLoss.open({ width, chunk, device: "cpu", threads });
  const embeddings = { width, images: randomRows(pairs * width, 1), texts: randomRows(pairs * width, 2) };
  const started = performance.now();
  const { loss } = await sigmoid.evaluate(embeddings, labels, { logitScale: Math.log(10), logitBias: -10 });
  const seconds = (performance.now() - started) / 1000;
  // Before the products below, which have memory of their own.
  const peakRssMb = Math.round(peakResidentBytes() / 2 ** 20);
  await using peak = await GemmPeak.open({ rows: Math.min(chunk, pairs), inner: width, columns: Math.min(chunk, pairs) }, threads, "float32");
  for (let reading = 0; reading < 5; reading++) await peak.read();
  const gflops = (6 * pairs * pairs * width) / seconds / 1e9;
  const result = {
    pairs,
    chunk,
    width,
    threads,
    seconds: round(seconds),
    peakRssMb,
    gflops: round(gflops),
    gemmGflops: round(peak.gflops),
    shareOfPeak: Number((gflops / peak.gflops).toFixed(3)),
    loss: round(loss),
  };
  process.stdout.write(`${JSON.stringify(result)}\n`);
}

/** Numbers in [-1, 1), the same every time. */
function randomRows(count: number, seed: number): Float32Array {
  const rows = new Float32Array(count);
  let state = seed;
  for (let i = 0; i < count; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    rows[i] = state / 2 ** 31;
  }
  return rows;
}

function round(value: number): number {
  return Number(value.toPrecision(5));
}
