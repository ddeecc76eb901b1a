import { availableParallelism } from "node:os";
import { performance } from "node:perf_hooks";
import { adamW, CachedPairStep, ChunkedSigmoidLoss, DirectPairStep, pairLabels, type AdamWState, type PairStepBatch, type RowSource } from "@sightline/contrastive";
import { Command } from "commander";
import { fixedVision, siglipTowers } from "sightline";
import { GemmPeak } from "./gemm-peak.js";
import { peakResidentBytes } from "./peak-memory.js";
import { towerVariants } from "./tower-variants.js";

interface FinetuneOptions {
  readonly variant: string;
  readonly batch: number;
  readonly chunk?: number;
  readonly steps: number;
  readonly threads: number;
  readonly profile?: string;
}

/** `bench finetune`: forward, backward and update of both towers from random weights, against the machine's GEMM peak. */
export function finetuneBench(): Command {
  return new Command("finetune")
    .option("--variant <name>", Object.keys(towerVariants).join(", "), "base-patch16-224")
    .option("--batch <n>", "pairs of a step", Number, 8)
    .option("--chunk <n>", "pairs whose activations are held at a time, the rest being computed twice; all of them when left out", Number)
    .option("--steps <n>", "steps that are timed", Number, 3)
    .option("--threads <n>", "threads of one operation", Number, availableParallelism())
    .option("--profile <prefix>", "write ONNX Runtime's profile of every node")
    .option("--json", "the default: one JSON object")
    .action(measure);
}

async function measure({ variant, batch, chunk = batch, steps, threads, profile }: FinetuneOptions): Promise<void> {
  const vision = towerVariants[variant];
  if (!vision) throw new Error(`bench finetune: --variant: expected one of ${Object.keys(towerVariants).join(", ")}, got ${variant}`);
  const { width, layers, heads, mlpWidth, layerNormEps } = vision;
  const text = { width, layers, heads, mlpWidth, layerNormEps, vocabularySize: 32_000, maxTokens: 64, projectionWidth: width };
  const preprocessing = { width: vision.imageSize, height: vision.imageSize, filter: "bicubic", mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5], rescale: 1 / 255 } as const;
  const towers = siglipTowers(fixedVision(vision, preprocessing), text, () => (name) => {
    throw new Error(`bench finetune: ${name} should be trained`);
  });
  const shared = { towers, adaptation: { trains: () => true }, seed: 0, device: "cpu" as const, threads, ...(profile === undefined ? {} : { profilePrefix: profile }) };
  const tiles = await ChunkedSigmoidLoss.open({ width, device: "cpu", threads });
  const step =
    chunk >= batch
      ? await DirectPairStep.open({ ...shared, objective: { type: "sigmoid" }, batchSize: batch })
      : await CachedPairStep.open({ ...shared, loss: (embeddings, { labels }, temperature) => tiles.evaluate(embeddings, labels, temperature), imageChunk: chunk, textChunk: chunk });
  const { parameters } = step;
  for (const { name, shape } of parameters.slots) {
    const values = parameters.get(name);
    const spread = shape.length === 1 ? 0.02 : 1 / Math.sqrt(values.length / (shape[0] as number));
    const gain = /norm\d?\.weight$/.test(name) ? 1 : 0;
    let state = name.length;
    for (let i = 0; i < values.length; i++) {
      state = (Math.imul(state, 1664525) + 1013904223) | 0;
      values[i] = gain + spread * (state / 2 ** 31);
    }
  }
  parameters.get("logit_scale")[0] = Math.log(10);
  parameters.get("logit_bias")[0] = -4;
  const optimizer = adamW({ weightDecay: 0.01 });
  const state: AdamWState = optimizer.init(parameters);
  const images: RowSource = {
    count: batch,
    rows: (from, to) => {
      const data = Uint8Array.from({ length: (to - from) * vision.imageSize ** 2 * 3 }, (_, i) => ((i + from) * 2654435761) >>> 24);
      return { pixels: { dtype: "uint8", shape: [to - from, vision.imageSize, vision.imageSize, 3], data } };
    },
  };
  const texts: RowSource = {
    count: batch,
    rows: (from, to) => ({ tokens: { dtype: "int64", shape: [to - from, 64], data: BigInt64Array.from({ length: (to - from) * 64 }, (_, i) => BigInt(((i + from * 64) * 7919) % 32_000)) } }),
  };
  const labels = pairLabels({ images: batch, imageOfText: Int32Array.from({ length: batch }, (_, i) => i) });
  const pairs = (at: number): PairStepBatch => ({ images, texts, labels, captions: [], imageIds: [], step: at });
  await using peak = await GemmPeak.open({ rows: 1024, inner: 768, columns: 3072 }, threads, "float32");
  let best = Number.POSITIVE_INFINITY;
  let update = 0;
  for (let at = 0; at < steps + 1; at++) {
    for (let reading = 0; reading < 3; reading++) await peak.read();
    const started = performance.now();
    await step.run(pairs(at));
    const ran = performance.now();
    await optimizer.update(parameters, step.gradients, state, 1e-4);
    const ms = performance.now() - started;
    if ((at > 0 || steps === 0) && ms < best) {
      best = ms;
      update = performance.now() - ran;
    }
  }
  if (profile !== undefined) await step[Symbol.asyncDispose]();
  const flops = 3 * batch * (towerFlops(width, mlpWidth, layers, (vision.imageSize / vision.patchSize) ** 2) + towerFlops(width, mlpWidth, layers, 64));
  const gflops = flops / best / 1e6;
  const result = {
    variant,
    batch,
    chunk,
    threads,
    msPerStep: Math.round(best),
    updateMs: Math.round(update),
    pairsPerSecond: round((batch / best) * 1000),
    gflops: round(gflops),
    gemmGflops: round(peak.gflops),
    shareOfPeak: Number((gflops / peak.gflops).toFixed(3)),
    peakRssMb: Math.round(peakResidentBytes() / 2 ** 20),
  };
  process.stdout.write(`${JSON.stringify(result)}\n`);
}

/** Multiply-adds, twice, of one forward pass of the blocks. */
function towerFlops(width: number, mlpWidth: number, layers: number, tokens: number): number {
  return layers * (2 * tokens * (4 * width * width + 2 * width * mlpWidth) + 4 * tokens * tokens * width);
}

function round(value: number): number {
  return Number(value.toPrecision(4));
}
