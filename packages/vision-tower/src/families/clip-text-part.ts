import { Graph, openSession } from "@sightline/graph";
import { WeightsError, type WeightSource } from "@sightline/weights";
import type { Checkpoint, TextPart } from "../checkpoint.js";
import { clipTextEmbedding, type ClipTextConfig } from "../models/clip.js";
import type { Parameter } from "../models/transformer-block.js";
import { loadClipTokenizer } from "../text/load-clip-tokenizer.js";

/** CLIP's text tower: `tokens` int64[B, T] -> `embeddings` float32[B, E]. */
export function clipTextPart(config: ClipTextConfig, directory: string, parameters: (graph: Graph) => Parameter): TextPart {
  const graph = new Graph();
  const tokens = graph.input("tokens", "int64", ["B", config.maxTokens]);
  graph.output("embeddings", clipTextEmbedding(tokens, parameters(graph), config, { fused: true }));
  return {
    graph,
    width: config.projectionWidth,
    loadTokenizer: () => loadClipTokenizer(directory, config),
    open: (options) => openSession(graph, options),
  };
}

/**
 * t = exp(logit_scale), where the file has it, and b, which is 0 but for models that open_clip trained with a sigmoid.
 * @param required whether both towers are asked for, which cannot be compared without t
 */
export async function clipLogits(source: WeightSource, required: boolean): Promise<Pick<Checkpoint, "logitScale" | "logitBias">> {
  if (!source.tensors.has("logit_scale") && !required) return {};
  const logScale = await scalar(source, "logit_scale");
  const logitBias = source.tensors.has("logit_bias") ? await scalar(source, "logit_bias") : 0;
  return { logitScale: Math.exp(logScale), logitBias };
}

async function scalar(source: WeightSource, name: string): Promise<number> {
  const values = await source.readFloat32(name);
  if (values.length !== 1) throw new WeightsError(`${source.path}: "${name}": expected one value, got ${values.length}`);
  return values[0] as number;
}
