import path from "node:path";
import { openSession } from "@sightline/graph";
import { openWeights, WeightsError, type WeightSource } from "@sightline/weights";
import type { Checkpoint, OpenCheckpointOptions, TextPart, VisionPart } from "../checkpoint.js";
import { ConfigError } from "../config/config-error.js";
import { loadSiglipConfig } from "../config/load-siglip-config.js";
import type { SiglipConfig } from "../config/siglip-config.js";
import { patchCount, type SiglipVisionConfig } from "../models/siglip-vision.js";
import { preprocess, type Preprocessing } from "../pixels/preprocess.js";
import { siglipTextGraph, siglipVisionGraph } from "../siglip-graphs.js";
import { loadTextTokenizer } from "../text/load-text-tokenizer.js";

/**
 * SigLIP, and SigLIP 2 of one fixed resolution (`model_type: "siglip"`), from a Hugging Face directory.
 * @throws ConfigError naming the file and the field; WeightsError naming the tensor, its expected and its actual shape
 */
export async function openSiglipCheckpoint(directory: string, { towers, signal }: OpenCheckpointOptions): Promise<Checkpoint> {
  const { config, preprocessing } = await loadSiglipConfig(directory, signal ? { signal } : {});
  if (towers.includes("vision") && !config.poolingHead) {
    throw new ConfigError("loadSiglip", path.join(directory, "config.json"), "vision_use_head: expected true, got false; without its head the tower has no embedding to compare with texts");
  }
  const source = await openWeights(directory);
  try {
    const parts = {
      ...(towers.includes("vision") ? { vision: visionPart(config.vision, preprocessing, source) } : {}),
      ...(towers.includes("text") ? { text: textPart(config.text, directory, source) } : {}),
    };
    const bothTowers = towers.includes("vision") && towers.includes("text");
    const logScale = await readScalar(source, "logit_scale", bothTowers);
    const logitBias = await readScalar(source, "logit_bias", bothTowers);
    return {
      path: directory,
      ...parts,
      ...(logScale === undefined ? {} : { logitScale: Math.exp(logScale) }),
      ...(logitBias === undefined ? {} : { logitBias }),
      close: () => source.close(),
    };
  } catch (error) {
    await source.close();
    throw error;
  }
}

function visionPart(config: SiglipVisionConfig, preprocessing: Preprocessing, source: WeightSource): VisionPart {
  const graph = siglipVisionGraph(config, source);
  const side = Math.floor(config.imageSize / config.patchSize);
  return {
    graph,
    width: config.width,
    pooledWidth: config.width,
    prepare: (images) => {
      const { data, shape } = preprocess(images, preprocessing);
      return { feeds: { pixels: { dtype: "float32", shape, data } }, grids: images.map(() => ({ rows: side, columns: side })), patches: patchCount(config) };
    },
    open: (options) => openSession(graph, options),
  };
}

function textPart(config: SiglipConfig["text"], directory: string, source: WeightSource): TextPart {
  const graph = siglipTextGraph(config, source);
  const { maxTokens, vocabularySize } = config;
  return {
    width: config.projectionWidth,
    loadTokenizer: () => loadTextTokenizer(directory, { maxTokens, vocabularySize }),
    open: (options) => openSession(graph, options),
  };
}

async function readScalar(source: WeightSource, name: string, required: boolean): Promise<number | undefined> {
  if (!required && !source.tensors.has(name)) return undefined;
  const values = await source.readFloat32(name);
  if (values.length !== 1) throw new WeightsError(`${source.path}: "${name}": expected one value, got ${values.length}`);
  return values[0];
}
