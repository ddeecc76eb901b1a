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

/** t = exp(logit_scale) and b = 0, where the file has the one; both are needed when both towers are. */
export async function clipLogits(source: WeightSource, required: boolean): Promise<Pick<Checkpoint, "logitScale" | "logitBias">> {
  if (!source.tensors.has("logit_scale") && !required) return {};
  const values = await source.readFloat32("logit_scale");
  if (values.length !== 1) throw new WeightsError(`${source.path}: "logit_scale": expected one value, got ${values.length}`);
  return { logitScale: Math.exp(values[0] as number), logitBias: 0 };
}
