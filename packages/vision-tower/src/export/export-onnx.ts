import { randomUUID } from "node:crypto";
import { copyFile, mkdir, open, readdir, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { standardOps, toFloat16, weightBytes, writeModelFile, type Graph, type Session, type WriteModelOptions } from "@sightline/graph";
import { narrowFloat16 } from "@sightline/weights";
import type { Checkpoint, TextPart, VisionPart } from "../checkpoint.js";
import { ConfigError } from "../config/config-error.js";
import { readJson } from "../config/read-json.js";
import { openCheckpoint } from "../families/open-checkpoint.js";
import { variantSuffixes } from "../hub-onnx/onnx-files.js";
import { int8Graph } from "../precision/open-int8.js";
import { calibrationFeeds } from "../precision/open-vision.js";
import { jointModelGraph, textModelGraph, visionModelGraph, type HubNames } from "./tower-graphs.js";

/**
 * A precision that a checkpoint can be exported in, by transformers.js' name. `fp16` has matrix products and their
 * weights in float16, and norms, softmax, sums of the residual stream, inputs and outputs in float32. `int8` has linear layers
 * in 8 bits, all of them whose results agree with float32's as `precision: "int8"` asks for (cosines of 0.996 for embeddings
 * and 0.99 for patch tokens, on two pictures and some captions), in both towers; everything else in float32.
 */
export type ExportVariant = "fp32" | "fp16" | "int8";

/** One file of an export begins, grows, ends. */
export type ExportProgress =
  | { readonly type: "file-start"; readonly file: string; readonly totalBytes: number }
  | { readonly type: "bytes-written"; readonly file: string; readonly bytes: number; readonly totalBytes: number }
  | { readonly type: "file-end"; readonly file: string };

/** Settings of `exportOnnx`. */
export interface ExportOptions {
  /** ["fp32"] when left out. */
  readonly variants?: readonly ExportVariant[];
  readonly signal?: AbortSignal;
  /** Called when a file begins, grows and ends. */
  readonly onProgress?: (progress: ExportProgress) => void;
  /** Where the weights of a model go to files beside it, as `writeModelFile` takes them. */
  readonly limits?: Pick<WriteModelOptions, "inlineBytes" | "dataFileBytes">;
}

/** What was written: names under the directory, as `onnx/vision_model.onnx`. */
export interface ExportReport {
  readonly files: readonly string[];
}

const copied = ["preprocessor_config.json", "tokenizer.json", "special_tokens_map.json"];

/**
 * Writes a checkpoint of SigLIP (of one fixed resolution) or CLIP in the layout that transformers.js loads: `onnx/vision_model.onnx`,
 * `onnx/text_model.onnx` and `onnx/model.onnx` (both towers and their logits), each in every variant, with the
 * configuration and the tokenizer. Texts may be of any length: the files fill them up to the tower's. The files use operations of the ONNX standard alone (opset 17); one that protobuf
 * cannot hold has its weights in `.onnx_data` files, and config.json says so under `transformers.js_config`.
 *
 * The directory appears when it is whole: it is written beside its place, flushed to disk and renamed.
 * @param source a directory of safetensors that `loadVisionTower` loads
 * @param out must not exist, or be empty
 * @throws ConfigError for a family that the layout does not have, or a directory that is not empty; the signal's reason
 */
export async function exportOnnx(source: string, out: string, options: ExportOptions = {}): Promise<ExportReport> {
  const { variants = ["fp32"], signal } = options;
  signal?.throwIfAborted();
  for (const variant of variants) {
    if (!exportVariants.includes(variant)) throw new RangeError(`exportOnnx: expected variants of ${exportVariants.map((name) => `"${name}"`).join(", ")}, got ${JSON.stringify(variant)}`);
  }
  const config = await readJson(path.join(source, "config.json"), signal);
  const type: unknown = typeof config === "object" && config !== null ? Reflect.get(config, "model_type") : undefined;
  const family = typeof type === "string" && Object.hasOwn(families, type) ? families[type] : undefined;
  if (!family) {
    throw new ConfigError("exportOnnx", path.join(source, "config.json"), `model_type: expected ${Object.keys(families).map((name) => `"${name}"`).join(" or ")}, whose towers transformers.js loads, got ${JSON.stringify(type)}`);
  }
  if ((await readdir(out).catch(() => [])).length > 0) throw new ConfigError("exportOnnx", out, "expected a directory that is not there or empty; name another, or empty it");

  const partial = `${path.resolve(out)}.${randomUUID().slice(0, 8)}.partial`;
  const checkpoint = await openCheckpoint(source, { towers: ["vision", "text"], format: "safetensors", ...(signal ? { signal } : {}) }, false);
  try {
    await mkdir(path.join(partial, "onnx"), { recursive: true });
    const dataFiles: Record<string, number> = {};
    const files: string[] = [];
    for (const variant of new Set(variants)) {
      for (const [base, graph] of Object.entries(await modelGraphs(checkpoint, family, variant, signal))) {
        const name = `${base}${variantSuffixes[variant]}.onnx`;
        const written = await writeGraph(standardOps(graph), partial, `onnx/${name}`, options);
        files.push(...written);
        if (written.length > 1) dataFiles[name] = written.length - 1;
      }
    }
    files.push(...(await writeConfiguration(source, partial, config as object, dataFiles, checkpoint)));
    await flushFolder(path.join(partial, "onnx"));
    await flushFolder(partial);
    signal?.throwIfAborted();
    await rename(partial, path.resolve(out));
    await flushFolder(path.dirname(path.resolve(out)));
    return { files };
  } catch (error) {
    await rm(partial, { recursive: true, force: true });
    throw error;
  } finally {
    await checkpoint.close();
  }
}

const exportVariants: readonly ExportVariant[] = ["fp32", "fp16", "int8"];

interface HubFamily {
  readonly names: HubNames;
  /** The token after a text's end; CLIP takes the first end token, so more of them change nothing. */
  readonly fillsWith: "padId" | "eosId";
}

/** By `model_type` of config.json. */
const families: Readonly<Record<string, HubFamily>> = {
  siglip: { names: { pooled: "pooler_output", patchTokens: "last_hidden_state", text: "pooler_output" }, fillsWith: "padId" },
  clip: { names: { pooled: "image_embeds", text: "text_embeds" }, fillsWith: "eosId" },
};

async function modelGraphs({ path: where, vision, text, logitScale: scale, logitBias: bias }: Checkpoint, { names, fillsWith }: HubFamily, variant: ExportVariant, signal: AbortSignal | undefined): Promise<Record<string, Graph>> {
  if (!vision?.graph || !text?.graph || scale === undefined || bias === undefined) {
    throw new ConfigError("exportOnnx", where, "expected a checkpoint of both towers with their logit_scale");
  }
  // Cosines lie close together, so the logits themselves stay in float32.
  const [visionGraph, textGraph] = await inVariant(vision as typeof vision & { readonly graph: Graph }, text as typeof text & { readonly graph: Graph }, variant, signal);
  const padded = { graph: textGraph, padId: (await text.loadTokenizer())[fillsWith] };
  return {
    vision_model: visionModelGraph(visionGraph, names),
    text_model: textModelGraph(padded, names),
    model: jointModelGraph(visionGraph, padded, { scale, bias }),
  };
}

/** Texts that int8 is tried on: a label, a caption, a sign, a description. */
const calibrationTexts = [["a photo of a cat", "Two people are sitting on a bench in a park at sunset.", "STOP", "a close-up of a red apple, three grapes and an old wooden table, oil on canvas"]];

async function inVariant(vision: VisionPart & { readonly graph: Graph }, text: TextPart & { readonly graph: Graph }, variant: ExportVariant, signal: AbortSignal | undefined): Promise<readonly [Graph, Graph]> {
  if (variant === "fp16") return [toFloat16(vision.graph, narrowFloat16), toFloat16(text.graph, narrowFloat16)];
  if (variant === "fp32") return [vision.graph, text.graph];
  const tokenizer = await text.loadTokenizer();
  const texts = calibrationTexts.map((batch): Feeds => {
    const { ids, shape } = tokenizer.encode(batch);
    return { tokens: { dtype: "int64", shape, data: ids } };
  });
  const quantized = await int8Graph(vision.graph, await calibrationFeeds(vision), { device: "cpu" });
  signal?.throwIfAborted();
  return [quantized.graph, (await int8Graph(text.graph, texts, { device: "cpu" })).graph];
}

type Feeds = Parameters<Session["run"]>[0];

/** @returns the model and the files of its weights, under the directory */
async function writeGraph(graph: Graph, directory: string, file: string, { signal, onProgress, limits }: ExportOptions): Promise<string[]> {
  const totalBytes = weightBytes(graph);
  onProgress?.({ type: "file-start", file, totalBytes });
  let bytes = 0;
  const { dataFiles } = await writeModelFile(graph, path.join(directory, file), {
    ...limits,
    ...(signal ? { signal } : {}),
    onBytes: (count) => onProgress?.({ type: "bytes-written", file, bytes: (bytes += count), totalBytes }),
  });
  onProgress?.({ type: "file-end", file });
  return [file, ...dataFiles.map((name) => path.posix.join(path.posix.dirname(file), name))];
}

async function writeConfiguration(source: string, directory: string, config: object, dataFiles: Readonly<Record<string, number>>, checkpoint: Checkpoint): Promise<string[]> {
  const written: string[] = [];
  for (const name of copied) {
    const found = await copyFile(path.join(source, name), path.join(directory, name)).then(
      () => true,
      (error: NodeJS.ErrnoException) => {
        // Which of them a checkpoint needs was seen when it opened.
        if (error.code !== "ENOENT") throw error;
        return false;
      },
    );
    if (found) written.push(name);
  }
  const earlier: unknown = Reflect.get(config, "transformers.js_config");
  const external = { use_external_data_format: dataFiles };
  const changed = Object.keys(dataFiles).length > 0 ? { ...config, "transformers.js_config": { ...(typeof earlier === "object" ? earlier : {}), ...external } } : config;
  const maxTokens = checkpoint.text?.graph?.inputs[0]?.shape[1];
  const tokenizer = await readJson(path.join(source, "tokenizer_config.json"));
  // transformers.js pads to this; SigLIP 2's file has none, and its towers must see their padding.
  const padded = { ...(tokenizer as object), model_max_length: maxTokens };
  for (const [name, value] of Object.entries({ "config.json": changed, "tokenizer_config.json": padded })) {
    await writeFile(path.join(directory, name), `${JSON.stringify(value, null, 2)}\n`, { flush: true });
    written.push(name);
  }
  return written;
}

/** Names in a folder are safe once the folder is flushed; Windows cannot, and does not need to. */
async function flushFolder(folder: string): Promise<void> {
  if (process.platform === "win32") return;
  await using handle = await open(folder, "r");
  await handle.sync();
}
