import { Command, InvalidArgumentError, Option } from "commander";
import type { ConversionOptions } from "../convert/conversion-progress.js";
import type { MmprojType } from "../convert/mmproj-type.js";
import { convertToMmproj } from "../convert/to-mmproj.js";
import { convertToOnnx, type OnnxType } from "../convert/to-onnx.js";
import { convertToSafetensors } from "../convert/to-safetensors.js";
import { defined } from "../defined.js";
import { exitCodes, UsageError } from "./failure.js";
import { abortOnInterrupt } from "./interrupt.js";
import { progressLine } from "./progress-line.js";

const targets = ["onnx", "mmproj", "safetensors"] as const;
type Target = (typeof targets)[number];

interface ConvertCommandOptions {
  readonly to?: Target;
  readonly out: string;
  readonly type?: string;
  readonly projector?: string;
  readonly featureLayer?: number | "normed";
  readonly overwrite?: boolean;
  readonly json?: boolean;
}

/** `sightline convert`: models from one file format to another. */
export function convertCommand(): Command {
  return new Command("convert")
    .description("Write a model in another format: ONNX for transformers.js, mmproj GGUF for llama.cpp, or safetensors.")
    .argument("<model>", 'a Hugging Face checkpoint\'s folder or name in the cache, an mmproj .gguf, what convert wrote as safetensors, or "mini"')
    .requiredOption("--out <path>", "a folder (onnx, safetensors), F.gguf (mmproj) or F.safetensors")
    .addOption(new Option("--to <format>", "what to write; told by the ending of --out where it is left out").choices(targets))
    .option("--type <types>", "onnx: float32, float16, int8, or several with commas (float32); mmproj: F32, F16 or Q8_0 (F16, or as they are in what is an mmproj already)")
    .option("--projector <file>", "mmproj of a SigLIP checkpoint: the projector's safetensors, or an mmproj .gguf to take it from")
    .option("--feature-layer <n>", 'what that projector reads: a block from 1, or back from -1, or "normed"; where its file does not say', featureLayer)
    .option("--overwrite", "replace what is at --out")
    .option("--json", "print one JSON object about what was written")
    .action(runConvert);
}

async function runConvert(model: string, options: ConvertCommandOptions): Promise<void> {
  const { out, json } = options;
  const target = options.to ?? targetOf(out);
  const convert = conversion(target, options);
  const signal = abortOnInterrupt();
  const progress = progressLine("MB");
  const started = performance.now();
  const watch: ConversionOptions = {
    signal,
    overwrite: options.overwrite === true,
    onProgress({ bytes, totalBytes }) {
      const done = Math.round(bytes / 1e6);
      progress.update({ share: totalBytes > 0 ? bytes / totalBytes : 1, done, skipped: 0, perSecond: bytes / 1e6 / ((performance.now() - started) / 1000) });
    },
  };
  try {
    const written = await convert(model, watch);
    progress.stop();
    process.stdout.write(json ? `${JSON.stringify({ model, format: target, out, ...written })}\n` : `${out}: written from ${model}${"files" in written ? `, ${written.files.length} files` : ""}\n`);
  } catch (error) {
    progress.stop();
    if (!signal.aborted) throw error;
    process.stderr.write(`sightline: stopped; nothing was written to ${out}\n`);
    process.exitCode = exitCodes.interrupted;
  }
}

type Written = { readonly files: readonly string[] } | Record<never, never>;

/** What to do, once every option was found to make sense. */
function conversion(target: Target, { out, type, projector, featureLayer: layer }: ConvertCommandOptions): (model: string, watch: ConversionOptions) => Promise<Written> {
  if (target !== "mmproj") {
    const stray = projector !== undefined ? "--projector" : layer !== undefined ? "--feature-layer" : undefined;
    if (stray) throw new UsageError(`convert: ${stray}: is for --to mmproj, not for ${target}`);
  }
  switch (target) {
    case "onnx": {
      const types = onnxTypes(type ?? "float32");
      return async (model, watch) => ({ files: await convertToOnnx(model, { ...watch, out, types }) });
    }
    case "mmproj": {
      if (!out.toLowerCase().endsWith(".gguf")) throw new UsageError(`convert: --out: expected F.gguf for an mmproj, got ${JSON.stringify(out)}`);
      const stored = type === undefined ? undefined : mmprojType(type);
      return async (model, watch) => {
        await convertToMmproj(model, { ...watch, out, ...defined({ type: stored, projector, featureLayer: layer }) });
        return {};
      };
    }
    case "safetensors":
      if (type !== undefined) throw new UsageError("convert: --type: safetensors keep the types that the mmproj has");
      return async (model, watch) => {
        await convertToSafetensors(model, { ...watch, out });
        return {};
      };
  }
}

function targetOf(out: string): Target {
  if (/\.gguf$/i.test(out)) return "mmproj";
  if (/\.safetensors$/i.test(out)) return "safetensors";
  throw new UsageError(`convert: --to: expected ${targets.join(", ")}; the ending of --out (${JSON.stringify(out)}) does not say which`);
}

const onnxNames: Readonly<Record<string, OnnxType>> = { float32: "float32", fp32: "float32", f32: "float32", float16: "float16", fp16: "float16", f16: "float16", int8: "int8" };

function onnxTypes(text: string): OnnxType[] {
  return text.split(",").map((part) => {
    const type = onnxNames[part.trim().toLowerCase()];
    if (type === undefined) throw new UsageError(`convert: --type: expected float32, float16 or int8, or several of them with commas, got ${JSON.stringify(part)}`);
    return type;
  });
}

const mmprojNames: Readonly<Record<string, MmprojType>> = { f32: "F32", float32: "F32", fp32: "F32", f16: "F16", float16: "F16", fp16: "F16", q8_0: "Q8_0" };

function mmprojType(text: string): MmprojType {
  const type = mmprojNames[text.trim().toLowerCase()];
  if (type === undefined) throw new UsageError(`convert: --type: expected F32, F16 or Q8_0, got ${JSON.stringify(text)}`);
  return type;
}

function featureLayer(text: string): number | "normed" {
  if (text === "normed") return text;
  const layer = Number(text);
  if (!Number.isInteger(layer) || layer === 0 || text.trim() === "") throw new InvalidArgumentError('expected a block from 1, or back from -1, or "normed".');
  return layer;
}
