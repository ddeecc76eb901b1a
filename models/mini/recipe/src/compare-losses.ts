import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { linePlot, type PlotSeries } from "@sightline/contrastive";
import { openSafetensors, writeSafetensors } from "@sightline/weights";
import { Command } from "commander";
import { finetune, type FinetuneSettings } from "sightline";
import { Random } from "./scenes/random.js";

interface Trial {
  readonly name: string;
  readonly loss: "sigmoid" | "softmax";
  readonly batch: number;
  readonly bias: "batch" | number;
  readonly rate: number;
  readonly seed: number;
  readonly steps: number;
}

/** What a trial reached on styles that it never saw. */
interface Outcome extends Trial {
  readonly textToImage: number;
  readonly imageToText: number;
  readonly seconds: number;
}

const batches = [16, 32, 64, 128, 256, 512];
const equalStepBatches = [16, 64, 256];
const startingScale = 10;

/**
 * `compare-losses FOLDER`: sigmoid against softmax at several batch sizes, and several starts of b, on the same pairs from
 * the same starts. The start is mini with a new pooling head and a new text tower; its vision blocks stay as they are.
 */
await new Command("compare-losses")
  .argument("<folder>", "has train/ and held-out/, drawn by draw-pairs; gets outcomes.jsonl and the pictures")
  .option("--seeds <n>", "starts and orders of each trial", Number, 3)
  .option("--pairs <n>", "pairs that each trial sees", Number, 16_384)
  .option("--rates <list>", "learning rates, of which each loss is given its best at each batch size", (text: string) => text.split(",").map(Number), [1e-3, 3e-3])
  .option("--steps <n>", "steps of the trials that have as many at every batch size", Number, 256)
  .option("--only <part>", "loss, bias or steps")
  .action(run)
  .parseAsync();

async function run(folder: string, { seeds, pairs, rates, steps, only }: { seeds: number; pairs: number; rates: number[]; steps: number; only?: string }): Promise<void> {
  const losses = ["sigmoid", "softmax"] as const;
  const range = Array.from({ length: seeds }, (_, seed) => seed);
  const comparison = losses.flatMap((loss) => batches.flatMap((batch) => rates.flatMap((rate) => range.map((seed): Trial => ({ name: "loss", loss, batch, bias: "batch", rate, seed, steps: Math.round(pairs / batch) })))));
  const starts = ([0, -10, "batch"] as const).flatMap((bias) => [16, 64, 256].flatMap((batch) => range.map((seed): Trial => ({ name: "bias", loss: "sigmoid", batch, bias, rate: rates[0] as number, seed, steps: Math.round(pairs / batch) }))));
  const equalSteps = losses.flatMap((loss) => equalStepBatches.flatMap((batch) => range.map((seed): Trial => ({ name: "steps", loss, batch, bias: "batch", rate: rates[0] as number, seed, steps }))));
  const file = path.join(folder, "outcomes.jsonl");
  const known = new Map((await readFile(file, "utf8").catch(() => "")).split("\n").filter(Boolean).map((line) => [keyOf(JSON.parse(line) as Outcome), JSON.parse(line) as Outcome]));
  for (const trial of [...comparison, ...starts, ...equalSteps]) {
    if (known.has(keyOf(trial)) || (only !== undefined && only !== trial.name)) continue;
    const outcome = await tried(trial, folder);
    known.set(keyOf(trial), outcome);
    await writeFile(file, [...known.values()].map((one) => `${JSON.stringify(one)}\n`).join(""));
    process.stderr.write(`${JSON.stringify(outcome)}\n`);
  }
  const outcomes = [...known.values()];
  const best = losses.map((loss): PlotSeries => ({ name: loss, points: batches.map((batch) => bestRate(outcomes.filter((one) => one.name === "loss" && one.loss === loss && one.batch === batch), batch)) }));
  await writeFile(path.join(folder, "losses.svg"), linePlot({ title: `Held-out styles, ${pairs} pairs seen at every batch size`, xLabel: "batch (pairs)", yLabel: "mean of R@1 both ways", logX: true, xTicks: batches, series: best }));
  const equal = losses.map((loss): PlotSeries => ({ name: loss, points: equalStepBatches.map((batch) => spread(outcomes.filter((one) => one.name === "steps" && one.loss === loss && one.batch === batch), batch)) }));
  await writeFile(path.join(folder, "losses-equal-steps.svg"), linePlot({ title: `Held-out styles, ${steps} steps at every batch size`, xLabel: "batch (pairs)", yLabel: "mean of R@1 both ways", logX: true, xTicks: equalStepBatches, series: equal }));
  const biases = ([0, -10, "batch"] as const).map((bias): PlotSeries => ({ name: bias === "batch" ? "log(p / (1 - p))" : `b = ${bias}`, points: [16, 64, 256].map((batch) => spread(outcomes.filter((one) => one.name === "bias" && one.bias === bias && one.batch === batch), batch)) }));
  await writeFile(path.join(folder, "biases.svg"), linePlot({ title: "Where b starts", xLabel: "batch (pairs)", yLabel: "mean of R@1 both ways", logX: true, xTicks: [16, 64, 256], series: biases }));
}

function keyOf({ name, loss, batch, bias, rate, seed }: Trial): string {
  return [name, loss, batch, bias, rate, seed].join();
}

/** The learning rate whose trials did best, and their spread: standard deviation over the seeds. */
function bestRate(outcomes: readonly Outcome[], batch: number): PlotSeries["points"][number] {
  const rates = [...new Set(outcomes.map(({ rate }) => rate))];
  const points = rates.map((rate) => spread(outcomes.filter((one) => one.rate === rate), batch));
  return points.reduce((a, b) => (b.y > a.y ? b : a), { x: batch, y: Number.NEGATIVE_INFINITY });
}

function spread(outcomes: readonly Outcome[], batch: number): PlotSeries["points"][number] {
  const values = outcomes.map(({ textToImage, imageToText }) => (textToImage + imageToText) / 2);
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / Math.max(1, values.length - 1));
  return { x: batch, y: mean, low: mean - deviation, high: mean + deviation };
}

async function tried(trial: Trial, folder: string): Promise<Outcome> {
  const model = await freshStart(path.join(folder, `start-${trial.seed}`), trial.seed);
  const out = path.join(folder, "run");
  await rm(out, { recursive: true, force: true });
  const settings: FinetuneSettings = {
    model,
    out,
    data: { train: path.join(folder, "train", "pairs.jsonl"), validation: path.join(folder, "held-out", "pairs.jsonl") },
    loss: trial.loss,
    trains: { image: "head", text: "all" },
    logitScale: startingScale,
    logitBias: trial.bias,
    optimizer: { learningRate: trial.rate, weightDecay: 1e-4 },
    steps: trial.steps,
    batchSize: trial.batch,
    chunk: trial.batch,
    seed: trial.seed,
    evaluate: { everySteps: 1e6 },
    checkpoints: { everySteps: 1e6 },
    export: [],
  };
  const started = Date.now();
  let metrics: Readonly<Record<string, number>> = {};
  for await (const event of finetune(settings)) if (event.type === "eval-end") metrics = event.metrics;
  return { ...trial, textToImage: metrics["textToImage.r1"] as number, imageToText: metrics["imageToText.r1"] as number, seconds: (Date.now() - started) / 1000 };
}

/** mini with a new pooling head and a new text tower. */
async function freshStart(folder: string, seed: number): Promise<string> {
  const source = new URL("../../siglip/", import.meta.url);
  await mkdir(folder, { recursive: true });
  for (const name of ["config.json", "preprocessor_config.json", "tokenizer.json", "tokenizer_config.json"]) await writeFile(path.join(folder, name), await readFile(new URL(name, source)));
  await using weights = await openSafetensors(new URL("model.safetensors", source).pathname);
  const rng = Random.fromSeed(seed, 91);
  const tensors = [];
  for (const { name, shape } of weights.tensors.values()) {
    const data = await weights.readFloat32(name);
    if (/^text_model|^vision_model\.head/.test(name)) {
      const deviation = /embed|probe/.test(name) ? 0.02 : 1 / Math.sqrt(shape.at(-1) as number);
      if (shape.length === 1) data.fill(/norm\d?\.weight$/.test(name) ? 1 : 0);
      else for (let i = 0; i < data.length; i++) data[i] = deviation * rng.normal();
    }
    tensors.push({ name, dtype: "F32" as const, shape, data });
  }
  await writeSafetensors(path.join(folder, "model.safetensors"), tensors, { format: "pt" });
  return folder;
}
