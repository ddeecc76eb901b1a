import { availableParallelism } from "node:os";
import { performance } from "node:perf_hooks";
import { adamW, DirectPairStep, pairLabels, type AdamWState, type PairStepBatch } from "@sightline/contrastive";
import { Command } from "commander";
import { siglipTowers } from "sightline";
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
    .option("--chunk <n>", "pairs whose activations are held at a time; all of them when left out", Number)
    .option("--steps <n>", "steps that are timed", Number, 3)
    .option("--threads <n>", "threads of one operation", Number, availableParallelism())
    .option("--profile <prefix>", "write ONNX Runtime's profile of every node")
    .option("--json", "the default: one JSON object")
    .action(measure);
}

async function measure({ variant, batch, steps, threads, profile }: FinetuneOptions): Promise<void> {
  const vision = towerVariants[variant];
  if (!vision) throw new Error(`bench finetune: --variant: expected one of ${Object.keys(towerVariants).join(", ")}, got ${variant}`);
  const { width, layers, heads, mlpWidth, layerNormEps } = vision;
  const text = { width, layers, heads, mlpWidth, layerNormEps, vocabularySize: 32_000, maxTokens: 64, projectionWidth: width };
  const normalization = { mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5], rescale: 1 / 255 } as const;
  const towers = siglipTowers({ vision, text, poolingHead: true }, normalization, () => (name) => {
    throw new Error(`bench finetune: ${name} should be trained`);
  });
  const step = await DirectPairStep.open({
    towers, adaptation: { trains: () => true }, objective: { type: "sigmoid" }, batchSize: batch, seed: 0, device: "cpu", threads,
    ...(profile === undefined ? {} : { profilePrefix: profile }),
  });
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
  const pixels = Uint8Array.from({ length: batch * vision.imageSize ** 2 * 3 }, (_, i) => (i * 2654435761) >>> 24);
  const tokens = BigInt64Array.from({ length: batch * 64 }, (_, i) => BigInt((i * 7919) % 32_000));
  const pairs = (at: number): PairStepBatch => ({
    images: { count: batch, rows: () => ({ pixels: { dtype: "uint8", shape: [batch, vision.imageSize, vision.imageSize, 3], data: pixels } }) },
    texts: { count: batch, rows: () => ({ tokens: { dtype: "int64", shape: [batch, 64], data: tokens } }) },
    labels: pairLabels({ images: batch, imageOfText: Int32Array.from({ length: batch }, (_, i) => i) }),
    captions: [], imageIds: [], step: at,
  });
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
    if (at > 0 && ms < best) { best = ms; update = performance.now() - ran; }
  }
  if (profile !== undefined) await step[Symbol.asyncDispose]();
  const flops = 3 * batch * (towerFlops(width, mlpWidth, layers, (vision.imageSize / vision.patchSize) ** 2) + towerFlops(width, mlpWidth, layers, 64));
  process.stdout.write(`${JSON.stringify({ variant, batch, threads, msPerStep: Math.round(best), updateMs: Math.round(update), pairsPerSecond: (batch / best) * 1000, gflops: flops / best / 1e6, gemmGflops: peak.gflops, shareOfPeak: flops / best / 1e6 / peak.gflops, peakRssMb: Math.round(peakResidentBytes() / 2 ** 20) })}\n`);
}

/** Multiply-adds, twice, of one forward pass of the blocks. */
function towerFlops(width: number, mlpWidth: number, layers: number, tokens: number): number {
  return layers * (2 * tokens * (4 * width * width + 2 * width * mlpWidth) + 4 * tokens * tokens * width);
}
