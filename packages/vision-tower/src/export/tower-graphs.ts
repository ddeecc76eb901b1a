import { copyGraph, Graph, l2Normalize, matmul, scale, shift, transpose, type Tensor } from "@sightline/graph";
import type { LogitScale } from "../cosine-logits.js";

/** Names of the hub's layout for what SigLIP's towers take and give; the batches of `model` are two, of any size each. */
const batch = "batch_size";
const imageBatch = "image_batch_size";
const textBatch = "text_batch_size";

/** `vision_model`: `pixel_values` float32[B, 3, H, W] -> `last_hidden_state` float32[B, P, D], `pooler_output` float32[B, D]. */
export function visionModelGraph(vision: Graph): Graph {
  const graph = new Graph();
  const { patchTokens, pooled } = copyVision(vision, graph, batch);
  graph.output("last_hidden_state", patchTokens);
  graph.output("pooler_output", pooled);
  return graph;
}

/** `text_model`: `input_ids` int64[B, T] -> `pooler_output` float32[B, D]. */
export function textModelGraph(text: Graph): Graph {
  const graph = new Graph();
  graph.output("pooler_output", copyText(text, graph, batch));
  return graph;
}

/**
 * `model`: `input_ids` int64[M, T], `pixel_values` float32[N, 3, H, W] -> `logits_per_image` float32[N, M],
 * `logits_per_text` float32[M, N], `text_embeds` float32[M, D], `image_embeds` float32[N, D], both of unit length
 * (transformers `SiglipModel`).
 */
export function jointModelGraph(vision: Graph, text: Graph, logits: LogitScale): Graph {
  const graph = new Graph();
  const textEmbeds = l2Normalize(copyText(text, graph, textBatch));
  const imageEmbeds = l2Normalize(copyVision(vision, graph, imageBatch).pooled);
  const perText = shift(scale(matmul(textEmbeds, transpose(imageEmbeds, [1, 0])), logits.scale), logits.bias);
  graph.output("logits_per_image", transpose(perText, [1, 0]));
  graph.output("logits_per_text", perText);
  graph.output("text_embeds", textEmbeds);
  graph.output("image_embeds", imageEmbeds);
  return graph;
}

function copyVision(vision: Graph, into: Graph, batchName: string): { readonly patchTokens: Tensor; readonly pooled: Tensor } {
  const pixels = vision.inputs[0] as Tensor;
  const inputs = { [pixels.name]: into.input("pixel_values", "float32", [batchName, ...pixels.shape.slice(1)]) };
  return copyGraph(vision, into, { inputs, dims: { B: batchName } }) as { patchTokens: Tensor; pooled: Tensor };
}

function copyText(text: Graph, into: Graph, batchName: string): Tensor {
  const tokens = text.inputs[0] as Tensor;
  const inputs = { [tokens.name]: into.input("input_ids", "int64", [batchName, ...tokens.shape.slice(1)]) };
  return copyGraph(text, into, { inputs, dims: { B: batchName } })["embeddings"] as Tensor;
}
