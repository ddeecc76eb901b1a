import path from "node:path";
import { Graph } from "@sightline/graph";
import { loadSiglip2Config, loadSiglipConfig, weightParameters } from "@sightline/vision-tower";
import type { MetadataValue, TensorInfo, WeightSource } from "@sightline/weights";
import { defined } from "../defined.js";
import { imageModelOf, readImageParts, type ImageModel } from "../image-model.js";
import { dimension, elements, storedWeights } from "./header-numbers.js";
import type { ProjectorDescription, TowerDescription } from "./model-description.js";

/** Tower and projector of one file or directory. */
export interface EncoderDescription {
  readonly tower: TowerDescription;
  /** Missing for a tower on its own. */
  readonly projector?: ProjectorDescription;
  /** Weights in float32, as the graph holds them; missing where there is no graph. */
  readonly encoderBytes?: number;
}

/** The tower's tensors in an mmproj GGUF; the rest are the projector's. */
const ofGgufTower = /^v\.(?!deepstack\.|image_newline)/;
/** The tower's tensors in a checkpoint of a vision-language model, whatever stands before these words. */
const ofCheckpointTower = /(^|\.)(vision_tower|vision_model|vpm|visual)\./;
/** Within them, what merges patches for Qwen3-VL's decoder. */
const ofMerger = /(^|\.)visual\.(merger|deepstack_merger_list)\./;
const ofProjector = /(^|\.)(multi_modal_projector|connector|resampler)\.|image_newline$/;

/** An mmproj GGUF, known or not. */
export async function describeMmproj(source: WeightSource): Promise<EncoderDescription> {
  const { metadata, tensors } = source;
  const of = (key: string): number | undefined => dimension(metadata.get(`clip.vision.${key}`));
  const named = metadata.get("clip.projector_type") ?? metadata.get("clip.vision.projector_type");
  const type = typeof named === "string" ? named.slice(0, 80) : "none";
  const [own, others] = parted(tensors.values(), ({ name }) => ofGgufTower.test(name));
  const graph = await describeGraph(source.path, source);
  const tower = {
    imageSize: of("image_size"),
    patchSize: of("patch_size"),
    width: of("embedding_length"),
    blocks: of("block_count"),
    heads: of("attention.head_count"),
  };
  return encoder(source.path, type, tower, own, others, graph);
}

/** A Hugging Face checkpoint of a vision-language model. */
export async function describeCheckpoint(directory: string, source: WeightSource, config: Readonly<Record<string, unknown>>): Promise<EncoderDescription> {
  const section = config["vision_config"];
  const vision = (typeof section === "object" && section !== null ? section : {}) as Readonly<Record<string, MetadataValue>>;
  const of = (...keys: readonly string[]): number | undefined => keys.map((key) => dimension(vision[key])).find((value) => value !== undefined);
  const all = [...source.tensors.values()];
  const [own] = parted(all, ({ name }) => ofCheckpointTower.test(name) && !ofMerger.test(name));
  const [others] = parted(all, ({ name }) => ofMerger.test(name) || (ofProjector.test(name) && !ofCheckpointTower.test(name)));
  const tower = {
    imageSize: of("image_size"),
    patchSize: of("patch_size"),
    width: of("hidden_size"),
    blocks: of("num_hidden_layers", "depth"),
    heads: of("num_attention_heads", "num_heads"),
  };
  return encoder(directory, String(config["model_type"]), tower, own, others, await describeGraph(directory, source));
}

/** A SigLIP checkpoint, which has a text tower in the place of a projector and a decoder. */
export async function describeSiglip(directory: string, source: WeightSource, naflex: boolean): Promise<EncoderDescription> {
  const vision = naflex ? (await loadSiglip2Config(directory)).config.vision : (await loadSiglipConfig(directory)).config.vision;
  const own = [...source.tensors.values()].filter(({ name }) => name.startsWith("vision_model."));
  const parameters = count(own);
  const { width, layers, heads, patchSize } = vision;
  return {
    tower: {
      path: directory,
      kind: naflex ? "siglip2-naflex" : "siglip",
      ...("imageSize" in vision ? { imageSize: vision.imageSize } : {}),
      patchSize,
      width,
      blocks: layers,
      heads,
      parameters,
      weights: storedWeights(own),
    },
    encoderBytes: parameters * 4,
  };
}

/** The towers that stand before these projectors; SigLIP's before all others. */
const kinds: Readonly<Record<string, TowerDescription["kind"]>> = { qwen3vl_merger: "qwen3-vl", lfm2: "siglip2-naflex" };

interface GraphFacts {
  readonly model?: ImageModel;
  readonly bytes?: number;
  readonly problem?: string;
}

/** Builds the graph without its weights: what it would hold, or why it cannot be built. */
async function describeGraph(where: string, source: WeightSource): Promise<GraphFacts> {
  try {
    const parts = await readImageParts(where, source);
    const { tower, projector } = parts;
    const graph = new Graph();
    projector.build(tower.build(graph, tower.trainedGrid), tower.trainedGrid, weightParameters(graph, source));
    return { model: imageModelOf(where, source, parts), bytes: graph.weights.reduce((sum, { data }) => sum + data.byteLength, 0) };
  } catch (error) {
    return { problem: error instanceof Error ? error.message : String(error) };
  }
}

type Dimensions = { readonly [K in "imageSize" | "patchSize" | "width" | "blocks" | "heads"]: number | undefined };

function encoder(where: string, type: string, dimensions: Dimensions, own: readonly TensorInfo[], others: readonly TensorInfo[], { model, bytes, problem }: GraphFacts): EncoderDescription {
  const fixed = model?.tower.fixedGrid === false ? { imageSize: undefined } : {};
  const trained = model && { imageSize: model.tower.preprocessing.width, patchSize: model.tower.patchSize };
  return {
    tower: {
      path: path.resolve(where),
      kind: model ? (kinds[model.projector.type] ?? "siglip") : "unknown",
      ...defined({ ...dimensions, ...trained, ...fixed }),
      parameters: count(own),
      weights: storedWeights(own),
    },
    projector: {
      type: model?.projector.type ?? type,
      known: model !== undefined,
      ...(problem === undefined ? {} : { problem }),
      ...(model ? { width: model.width, tokens: tokensOf(model) } : {}),
      parameters: count(others),
    },
    ...(bytes === undefined ? {} : { encoderBytes: bytes }),
  };
}

/** Rows of a picture of the tower's own size seen whole, and of the picture that takes the most. */
function tokensOf(model: ImageModel): NonNullable<ProjectorDescription["tokens"]> {
  const { width, height } = model.tower.preprocessing;
  return { least: model.tokens(model.plan({ width, height }, { detail: "low" })), most: model.mostTokens };
}

function parted<T>(values: Iterable<T>, belongs: (value: T) => boolean): [T[], T[]] {
  const all = [...values];
  return [all.filter(belongs), all.filter((value) => !belongs(value))];
}

function count(tensors: readonly TensorInfo[]): number {
  return tensors.reduce((sum, tensor) => sum + elements(tensor), 0);
}
