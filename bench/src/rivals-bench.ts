import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import path from "node:path";
import { performance } from "node:perf_hooks";
import { env, SiglipVisionModel, Tensor } from "@huggingface/transformers";
import { copyGraph, Graph, standardOps, writeModelFile, type Session, type TensorValue } from "@sightline/graph";
import { calibrationImages, openCheckpoint, openVision, type SiglipVisionConfig, type VisionPart } from "@sightline/vision-tower";
import { Command, Option } from "commander";
import { writeRandomCheckpoint } from "./random-checkpoint.js";
import { towerVariants } from "./tower-variants.js";

interface RivalsOptions {
  readonly variant: string;
  readonly threads: number;
  readonly runs: number;
}

/** `bench rivals`: one tower here, in float32 and "auto", and in transformers.js, from the same weights and pixels. */
export function rivalsBench(): Command {
  return new Command("rivals")
    .addOption(new Option("--variant <name>", "which tower").choices(Object.keys(towerVariants)).default("so400m-patch14-384"))
    .option("--threads <n>", "threads of one operation", Number, availableParallelism())
    .option("--runs <n>", "timed runs; the best counts", Number, 5)
    .option("--json", "the default: one JSON object")
    .action(compare);
}

async function compare({ variant, threads, runs }: RivalsOptions): Promise<void> {
  const folder = await mkdtemp(path.join(tmpdir(), "sightline-bench-"));
  try {
    await writeRandomCheckpoint(towerVariants[variant] as SiglipVisionConfig, folder);
    const { vision, close } = await openCheckpoint(folder, { towers: ["vision"] }, true);
    const tower = vision as VisionPart;
    await writeHubLayout(tower, folder);
    env.allowRemoteModels = false;
    env.localModelPath = path.dirname(folder);
    const rival = await SiglipVisionModel.from_pretrained(path.basename(folder), { dtype: "fp32", model_file_name: "vision_model", session_options: { intraOpNumThreads: threads } });
    const float32 = await openVision(tower, "float32", { device: "cpu", threads });
    const auto = await openVision(tower, "auto", { device: "cpu", threads });

    const { feeds } = tower.prepare((await calibrationImages()).slice(0, 1));
    const pixels = feeds["pixels"] as TensorValue;
    const rivalPixels = new Tensor("float32", pixels.data as Float32Array, [...pixels.shape]);
    const ours = async ({ session }: { readonly session: Session }): Promise<Float32Array> => (await session.run(feeds))["pooled"]?.data as Float32Array;
    const theirs = async (): Promise<Float32Array> => ((await rival({ pixel_values: rivalPixels })) as { pooler_output: { data: Float32Array } }).pooler_output.data;
    const [mine, other] = [await ours(float32), await theirs()];
    const largestDifference = mine.reduce((largest, value, i) => Math.max(largest, Math.abs(value - (other[i] as number))), 0);
    await ours(auto);

    const contestants = { transformersJs: theirs, float32: () => ours(float32), auto: () => ours(auto) };
    const ms: Record<string, number> = {};
    // In turns, so that a neighbour who slows the machine for a while slows them all.
    for (let run = 0; run < runs; run++) {
      for (const [name, encode] of Object.entries(contestants)) {
        const started = performance.now();
        await encode();
        ms[name] = Math.min(ms[name] ?? Number.POSITIVE_INFINITY, performance.now() - started);
      }
    }
    const { transformersJs, float32: exact, auto: fastest } = ms as Record<keyof typeof contestants, number>;
    const result = {
      variant,
      threads,
      transformersJs: { msPerImage: round(transformersJs) },
      float32: { msPerImage: round(exact), speedup: round(transformersJs / exact) },
      auto: { msPerImage: round(fastest), speedup: round(transformersJs / fastest), precision: auto.report.precision },
      largestDifference,
    };
    process.stdout.write(`${JSON.stringify(result)}\n`);
    await Promise.all([float32, auto].map(({ session }) => session[Symbol.asyncDispose]()));
    await close();
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The tower as transformers.js expects it: `onnx/vision_model.onnx` of standard operations, as the hub's files are. */
async function writeHubLayout({ graph: tower }: VisionPart, folder: string): Promise<void> {
  const graph = new Graph();
  const pixels = tower?.inputs[0];
  if (!tower || !pixels) throw new TypeError("bench rivals: expected a tower that comes as a graph");
  const input = graph.input("pixel_values", "float32", ["batch_size", ...pixels.shape.slice(1)]);
  const { patchTokens, pooled } = copyGraph(tower, graph, { inputs: { [pixels.name]: input }, dims: { B: "batch_size" } });
  if (!patchTokens || !pooled) throw new TypeError("bench rivals: expected a tower with patchTokens and pooled");
  graph.output("last_hidden_state", patchTokens);
  graph.output("pooler_output", pooled);
  await mkdir(path.join(folder, "onnx"));
  const { dataFiles } = await writeModelFile(standardOps(graph), path.join(folder, "onnx", "vision_model.onnx"));
  const config = { model_type: "siglip_vision_model", "transformers.js_config": { use_external_data_format: { "vision_model.onnx": dataFiles.length } } };
  await writeFile(path.join(folder, "config.json"), JSON.stringify(config));
}

function round(value: number): number {
  return Number(value.toPrecision(5));
}
