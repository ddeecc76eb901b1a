import { readdir, readFile, stat } from "node:fs/promises";
import path from "node:path";
import { findManifest } from "@sightline/hub/cached";
import { checkpointDirectory } from "@sightline/vision-tower";
import { openWeights } from "@sightline/weights";
import { SightlineError } from "../sightline-error.js";
import { describeDecoder } from "./describe-decoder.js";
import { describeCheckpoint, describeMmproj, describeSiglip, type EncoderDescription } from "./describe-tower.js";
import { ggufKind } from "./gguf-kind.js";
import { kvCacheSizes } from "./kv-cache-bytes.js";
import type { CacheDescription, DecoderDescription, MemoryDescription, ModelDescription, PairDescription } from "./model-description.js";
import { findModelFiles, type ModelPaths } from "./model-files.js";

/** Positions that a cache is sized for beside those that the decoder was trained with. */
const usualContext = 4096;
/** A config.json is some kilobytes. */
const longestConfig = 2 ** 24;

interface Described {
  readonly encoder?: EncoderDescription;
  readonly decoder?: DecoderDescription;
  readonly cache?: readonly CacheDescription[];
}

/**
 * Says what a model is from the headers of its files; no weights are read. A projector of an unknown kind, a pair that does
 * not fit and numbers that are missing are described, not refused.
 * @param model `mini`; the name of a model that was pulled; a directory with mmproj*.gguf and a decoder's .gguf, or with a Hugging Face checkpoint of SigLIP or of
 *   a vision-language model; one .gguf file of either kind; or the two paths
 * @throws SightlineError `model-not-found`, `model-mismatch` for a file of another kind; WeightsError or ConfigError when one
 *   is damaged
 */
export async function describeModel(model: string | ModelPaths): Promise<ModelDescription> {
  const { encoder, decoder, cache } = typeof model === "string" ? await described(model) : await describePair(model);
  const memory: MemoryDescription = {
    ...(decoder ? { decoderBytes: decoder.weights.reduce((sum, { bytes }) => sum + bytes, 0) } : {}),
    cache: cache ?? [],
    ...(encoder?.encoderBytes === undefined ? {} : { encoderBytes: encoder.encoderBytes }),
  };
  return {
    model: typeof model === "string" ? model : path.basename(model.decoder, ".gguf"),
    ...(encoder ? { tower: encoder.tower } : {}),
    ...(encoder?.projector ? { projector: encoder.projector } : {}),
    ...(decoder ? { decoder } : {}),
    ...(encoder && decoder ? { pair: describeFit(encoder, decoder) } : {}),
    memory,
  };
}

async function described(model: string): Promise<Described> {
  const stats = model === "mini" ? undefined : await stat(model).catch(() => undefined);
  if (stats?.isFile()) return describeFile(model);
  if (stats?.isDirectory()) {
    const names = await readdir(model);
    const hasGguf = names.some((name) => name.toLowerCase().endsWith(".gguf"));
    if (!hasGguf && names.includes("config.json")) return { encoder: await describeDirectory(model) };
  }
  const known = stats ? undefined : await findManifest(model);
  if (known?.kind === "tower" && known.tower.family.startsWith("siglip")) return { encoder: await describeDirectory(await checkpointDirectory(model)) };
  return describePair(await findModelFiles(model));
}

async function describePair({ mmproj, decoder }: ModelPaths): Promise<Described> {
  const directory = (await stat(mmproj).catch(() => undefined))?.isDirectory() === true;
  const seeing = directory ? { encoder: await describeDirectory(mmproj) } : await describeFile(mmproj, "mmproj");
  return { ...seeing, ...(await describeFile(decoder, "decoder")) };
}

async function describeFile(file: string, expected?: "mmproj" | "decoder"): Promise<Described> {
  await using source = await openWeights(file);
  const { kind, words, remedy } = ggufKind(source);
  if (kind === "neither" || (expected !== undefined && kind !== expected)) {
    const wanted = expected === undefined ? "an mmproj or a decoder" : expected === "mmproj" ? "an mmproj" : "a decoder";
    throw new SightlineError("model-mismatch", `describeModel: ${file}: expected ${wanted}, got ${words}${remedy === undefined ? "" : `; ${remedy}`}`);
  }
  if (kind === "mmproj") return { encoder: await describeMmproj(source) };
  const decoder = describeDecoder(source);
  const { trainedContext } = decoder;
  const contexts = trainedContext === undefined ? [usualContext] : [...new Set([Math.min(usualContext, trainedContext), trainedContext])];
  const cache = kvCacheSizes(source.metadata, contexts);
  return { decoder, ...(cache ? { cache } : {}) };
}

async function describeDirectory(directory: string): Promise<EncoderDescription> {
  const file = path.join(directory, "config.json");
  const config = await readConfig(file);
  const type = config["model_type"];
  await using source = await openWeights(directory);
  if (type === "siglip" || type === "siglip2") return describeSiglip(directory, source, type === "siglip2");
  if (typeof config["vision_config"] === "object" || typeof config["vision_config"] === "undefined") return describeCheckpoint(directory, source, config);
  throw new SightlineError("model-mismatch", `describeModel: ${file}: expected a SigLIP or a vision-language model, got model_type ${JSON.stringify(type)}`);
}

async function readConfig(file: string): Promise<Readonly<Record<string, unknown>>> {
  const bad = (problem: string, cause?: unknown): SightlineError => new SightlineError("model-mismatch", `describeModel: ${file}: ${problem}`, { cause });
  const { size } = await stat(file);
  if (size > longestConfig) throw bad(`expected a configuration, got ${size} bytes`);
  let value: unknown;
  try {
    value = JSON.parse(await readFile(file, "utf8"));
  } catch (error) {
    throw bad("expected JSON", error);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw bad("expected an object");
  return value as Readonly<Record<string, unknown>>;
}

function describeFit({ projector }: EncoderDescription, { width: decoderWidth }: DecoderDescription): PairDescription {
  const projectorWidth = projector?.width;
  const widths = { ...(projectorWidth === undefined ? {} : { projectorWidth }), ...(decoderWidth === undefined ? {} : { decoderWidth }) };
  if (projectorWidth === undefined) return { fits: false, ...widths, problem: projector ? `the projector ${projector.type} is not known` : "there is no projector: this tower has its own text tower" };
  if (decoderWidth === undefined) return { fits: false, ...widths, problem: "the decoder does not say how wide its embeddings are" };
  if (projectorWidth === decoderWidth) return { fits: true, ...widths };
  return { fits: false, ...widths, problem: `the projector gives rows of width ${projectorWidth}, the decoder reads width ${decoderWidth}` };
}
