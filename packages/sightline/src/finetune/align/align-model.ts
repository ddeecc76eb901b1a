import { readFile, stat } from "node:fs/promises";
import path from "node:path";
import { decoderFromCheckpoint, decoderFromGguf, withRopeFactors, type Parameter, type StoredDecoder } from "@sightline/contrastive";
import type { Graph } from "@sightline/graph";
import { newProjector, type NewProjector, type Projector } from "@sightline/projector";
import { loadSiglipConfig, readMmprojVision, siglipGridTower, weightParameters, type GridTower, type SiglipVisionConfig } from "@sightline/vision-tower";
import { openWeights, type WeightSource } from "@sightline/weights";
import { imageModelOf, readImageParts, type ImageModel } from "../../image-model.js";
import { findModelFiles } from "../../models/model-files.js";
import { siglipDirectory } from "../../models/siglip-directory.js";
import { SightlineError } from "../../sightline-error.js";
import type { AlignConfig } from "./align-settings.js";
import { openChatTokenizer, type ChatTokenizer } from "./chat-tokenizer.js";

/** A tower, a projector and a decoder that can be trained together. */
export interface AlignModel extends AsyncDisposable {
  /** What the run calls it. */
  readonly name: string;
  readonly tower: GridTower;
  /** Layers of the tower that are built. */
  readonly towerLayers: number;
  /** The tower's weights, and the projector's where it goes on from one. */
  readonly towerSource: WeightSource;
  /** The tower's shape, where it can be written into a new mmproj. */
  readonly vision: SiglipVisionConfig | undefined;
  readonly projector: Projector;
  /** What a new mmproj says of the projector; undefined where the run goes on from one. */
  readonly started: NewProjector["metadata"] | undefined;
  /** How pictures are shown. */
  readonly images: ImageModel;
  readonly decoder: StoredDecoder;
  readonly decoderSource: WeightSource;
  /** The decoder's GGUF or directory. */
  readonly decoderPath: string;
  /** Positions that the decoder was trained with, where its files say so. */
  readonly contextLength: number | undefined;
  readonly chat: ChatTokenizer;
}

/**
 * Opens tower, projector and decoder for training.
 * @throws SightlineError `bad-input`, `model-mismatch`, `model-not-found`; TrainingError for a decoder that cannot be trained;
 * WeightsError, ConfigError, ProjectorError, DecoderError for files that do not fit
 */
export async function openAlignModel(config: AlignConfig): Promise<AlignModel> {
  const files = await modelFiles(config.model);
  const opened: AsyncDisposable[] = [];
  const close = async (): Promise<void> => {
    for (const one of opened.splice(0).reverse()) await one[Symbol.asyncDispose]();
  };
  const keep = <T extends AsyncDisposable>(one: T): T => {
    opened.push(one);
    return one;
  };
  try {
    const decoderSource = keep(await openWeights(files.decoder));
    const { decoder, contextLength } = await readDecoder(files.decoder, decoderSource);
    const seen = keep(await readSeeing(files, config.projector, decoder.config.width));
    if (seen.projector.outputWidth !== decoder.config.width) {
      throw new SightlineError("model-mismatch", `finetune: the projector gives rows of width ${seen.projector.outputWidth} (${seen.towerSource.path}), but the decoder reads width ${decoder.config.width} (${files.decoder}); take both from one model, or begin a new projector with projector.start "new"`);
    }
    expectTrainable(seen.tower, seen.images);
    const chat = keep(await openChatTokenizer(files.decoder));
    return { ...seen, name: files.name, decoder, decoderSource, decoderPath: files.decoder, contextLength, chat, [Symbol.asyncDispose]: close };
  } catch (error) {
    await close();
    throw error;
  }
}

interface Files {
  readonly name: string;
  readonly decoder: string;
  /** The mmproj GGUF or the directory of a vision-language model. */
  readonly mmproj?: string;
  /** The directory of a SigLIP checkpoint. */
  readonly tower?: string;
}

async function modelFiles(model: AlignConfig["model"]): Promise<Files> {
  if (typeof model === "string") return findModelFiles(model);
  const isDirectory = (await stat(model.decoder).catch(() => undefined))?.isDirectory() === true;
  const name = path.basename(model.decoder, ".gguf");
  if ("tower" in model) return { name, decoder: model.decoder, tower: await siglipDirectory(model.tower) };
  return isDirectory ? { name, ...model } : findModelFiles(model);
}

async function readDecoder(where: string, source: WeightSource): Promise<{ readonly decoder: StoredDecoder; readonly contextLength: number | undefined }> {
  if (source.format === "gguf") {
    const decoder = await withRopeFactors(source, decoderFromGguf(source));
    const length = source.metadata.get(`${decoder.architecture}.context_length`);
    return { decoder, contextLength: typeof length === "number" ? length : undefined };
  }
  const file = path.join(where, "config.json");
  const config = JSON.parse(
    await readFile(file, "utf8").catch((cause: unknown) => {
      throw new SightlineError("bad-input", `finetune: ${file} cannot be read; expected a decoder as a GGUF or a Hugging Face directory`, { cause });
    }),
  ) as { readonly max_position_embeddings?: unknown; readonly text_config?: { readonly max_position_embeddings?: unknown } };
  const length = config.max_position_embeddings ?? config.text_config?.max_position_embeddings;
  return { decoder: decoderFromCheckpoint(source, config), contextLength: typeof length === "number" ? length : undefined };
}

type Seeing = Pick<AlignModel, "tower" | "towerLayers" | "towerSource" | "vision" | "projector" | "started" | "images"> & AsyncDisposable;

/** The tower with its projector, or with a new one. */
async function readSeeing(files: Files, { start, type, hiddenWidth }: AlignConfig["projector"], outputWidth: number): Promise<Seeing> {
  const where = (files.mmproj ?? files.tower) as string;
  const source = await openWeights(where);
  const dispose = { [Symbol.asyncDispose]: () => source.close() };
  try {
    const begin = (patchWidth: number): NewProjector => newProjector({ type, patchWidth, outputWidth, ...(hiddenWidth === undefined ? {} : { hiddenWidth }) });
    // A new projector shows pictures whole, whatever the file says of tiles.
    const untiled = { format: source.format, metadata: new Map() };
    if (files.tower !== undefined) {
      const { config, preprocessing } = await loadSiglipConfig(files.tower);
      const { vision } = config;
      // Readers of an mmproj resize as llama.cpp does for this type of projector.
      const tower = siglipGridTower(source, { config: vision, preprocessing: { ...preprocessing, filter: "bicubic" }, postLayerNorm: true, positions: "fixed", rename: (name) => name });
      const { projector, metadata } = begin(tower.width);
      return { tower, towerLayers: vision.layers, towerSource: source, vision, projector, started: metadata, images: imageModelOf(where, untiled, { tower, projector }), ...dispose };
    }
    const parts = await readImageParts(where, source);
    if (start === "model") {
      const layers = source.format === "gguf" && parts.tower.fixedGrid ? readMmprojVision(source).config.layers : Number.POSITIVE_INFINITY;
      return { tower: parts.tower, towerLayers: layers, towerSource: source, vision: undefined, projector: parts.projector, started: undefined, images: imageModelOf(where, source, parts), ...dispose };
    }
    if (source.format !== "gguf") throw new SightlineError("bad-input", `finetune: ${where}: a new projector is written beside the tower of an mmproj GGUF or of a SigLIP checkpoint; expected one of these`);
    const read = readMmprojVision(source);
    const tower = siglipGridTower(source, { ...read, preprocessing: { ...read.preprocessing, filter: "bicubic" } });
    const { projector, metadata } = begin(tower.width);
    return { tower, towerLayers: read.config.layers, towerSource: source, vision: read.config, projector, started: metadata, images: imageModelOf(where, untiled, { tower, projector }), ...dispose };
  } catch (error) {
    await source.close();
    throw error;
  }
}

function expectTrainable(tower: GridTower, { family, path: file }: ImageModel): void {
  const bad = (problem: string): SightlineError => new SightlineError("bad-input", `finetune: ${file}: ${problem}`);
  if (!tower.fixedGrid) throw bad("its tower takes pictures of any resolution, which cannot be trained with yet; expected a tower of one resolution");
  if (family.prompt === "prefix") throw bad(`its ${family.type} projector belongs to a decoder whose prompt is one block (PaliGemma), which cannot be trained yet`);
}

/** Where parameters of decoder and projector come from when they are not trained; the tower has its own. */
export function frozenParameters(graph: Graph, { decoder, decoderSource, towerSource }: Pick<AlignModel, "decoder" | "decoderSource" | "towerSource">): Parameter {
  const ofDecoder = weightParameters(graph, decoderSource, decoder.rename);
  const ofProjector = weightParameters(graph, towerSource);
  return (name, shape) => (isDecoderParameter(name) ? ofDecoder : ofProjector)(name, shape);
}

export function isDecoderParameter(name: string): boolean {
  return /^(model\.(embed_tokens|layers|norm)\.|lm_head\.)/.test(name);
}

export function isTowerParameter(name: string): boolean {
  return name.startsWith("vision_model.");
}
