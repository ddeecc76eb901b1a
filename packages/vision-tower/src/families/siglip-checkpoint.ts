import path from "node:path";
import { openSession } from "@sightline/graph";
import { openWeights, WeightsError, type WeightSource } from "@sightline/weights";
import type { Checkpoint, OpenCheckpointOptions, TextPart, VisionPart } from "../checkpoint.js";
import { ConfigError } from "../config/config-error.js";
import type { SiglipTextConfig } from "../models/siglip-text.js";
import { siglipTextGraph } from "../siglip-graphs.js";
import { loadTextTokenizer } from "../text/load-text-tokenizer.js";

/**
 * A checkpoint of either generation: its own vision tower, and the text tower, scale and bias that all of them share.
 * @param visionPart makes the vision tower out of the weights; called only where it is asked for
 * @throws ConfigError for a vision tower without its head; WeightsError naming the tensor, its expected and its actual shape
 */
export async function openSiglipTowers(
  directory: string,
  config: { readonly text: SiglipTextConfig; readonly poolingHead: boolean },
  { towers }: OpenCheckpointOptions,
  visionPart: (source: WeightSource) => VisionPart | Promise<VisionPart>,
): Promise<Checkpoint> {
  if (towers.includes("vision") && !config.poolingHead) {
    throw new ConfigError("loadSiglip", path.join(directory, "config.json"), "vision_use_head: expected true, got false; without its head the tower has no embedding to compare with texts");
  }
  const source = await openWeights(directory);
  try {
    const parts = {
      ...(towers.includes("vision") ? { vision: await visionPart(source) } : {}),
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

function textPart(config: SiglipTextConfig, directory: string, source: WeightSource): TextPart {
  const { projectionWidth, maxTokens, vocabularySize } = config;
  const graph = siglipTextGraph({ ...config, head: hasTextHead(config, source) }, source);
  return {
    graph,
    width: projectionWidth,
    loadTokenizer: () => loadTextTokenizer(directory, { maxTokens, vocabularySize }),
    open: (options) => openSession(graph, options),
  };
}

/** Whether a text tower ends in its linear head: the i18n checkpoints were trained without one, and converters but transformers' own store none. */
export function hasTextHead({ width, projectionWidth }: SiglipTextConfig, { tensors }: WeightSource): boolean {
  return width !== projectionWidth || ["weight", "bias"].some((name) => tensors.has(`text_model.head.${name}`));
}

async function readScalar(source: WeightSource, name: string, required: boolean): Promise<number | undefined> {
  if (!required && !source.tensors.has(name)) return undefined;
  const values = await source.readFloat32(name);
  if (values.length !== 1) throw new WeightsError(`${source.path}: "${name}": expected one value, got ${values.length}`);
  return values[0];
}
