import { concat, copyGraph, Graph, l2Normalize, matmul, scale, shift, transpose, type Tensor } from "@sightline/graph";
import type { LogitScale } from "../cosine-logits.js";

/** Names of a family's outputs in the hub's layout. */
export interface HubNames {
  /** Of `vision_model`. */
  readonly pooled: string;
  /** Of `vision_model`, where transformers' own value of that name is the tower's patch tokens. */
  readonly patchTokens?: string;
  /** Of `text_model`. */
  readonly text: string;
}

/** A text tower, and the token that fills texts up to its length. */
export interface PaddedText {
  readonly graph: Graph;
  readonly padId: number;
}

/** The batches of `model` are two, of any size each. */
const batch = "batch_size";
const imageBatch = "image_batch_size";
const textBatch = "text_batch_size";

/** `vision_model`: `pixel_values` float32[B, 3, H, W] -> patch tokens float32[B, P, D], pooled float32[B, E]. */
export function visionModelGraph(vision: Graph, names: HubNames): Graph {
  const graph = new Graph();
  const { patchTokens, pooled } = copyVision(vision, graph, batch);
  if (names.patchTokens !== undefined) graph.output(names.patchTokens, patchTokens);
  graph.output(names.pooled, pooled);
  return graph;
}

/** `text_model`: `input_ids` int64[B, T] -> float32[B, E]. */
export function textModelGraph(text: PaddedText, names: HubNames): Graph {
  const graph = new Graph();
  graph.output(names.text, copyText(text, graph, batch));
  return graph;
}

/**
 * `model`: `input_ids` int64[M, T], `pixel_values` float32[N, 3, H, W] -> `logits_per_image` float32[N, M],
 * `logits_per_text` float32[M, N], `text_embeds` float32[M, E], `image_embeds` float32[N, E], both of unit length
 * (transformers `SiglipModel`, `CLIPModel`).
 */
export function jointModelGraph(vision: Graph, text: PaddedText, logits: LogitScale): Graph {
  const graph = new Graph();
  const textEmbeds = l2Normalize(copyText(text, graph, textBatch));
  const imageEmbeds = l2Normalize(copyVision(vision, graph, imageBatch).pooled);
  const scaled = scale(matmul(textEmbeds, transpose(imageEmbeds, [1, 0])), logits.scale);
  const perText = logits.bias === 0 ? scaled : shift(scaled, logits.bias);
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

function copyText({ graph, padId }: PaddedText, into: Graph, batchName: string): Tensor {
  const tokens = graph.inputs[0] as Tensor;
  const ids = into.input("input_ids", "int64", [batchName, "sequence_length"]);
  const padded = padTo(ids, tokens.shape[1] as number, padId);
  return copyGraph(graph, into, { inputs: { [tokens.name]: padded }, dims: { B: batchName } })["embeddings"] as Tensor;
}

/** Shorter texts become as long as the tower takes them, since programs that use these files often forget to. */
function padTo(ids: Tensor, length: number, padId: number): Tensor {
  const { graph } = ids;
  const given = graph.node1("Shape", [ids], { dtype: "int64", shape: [1] }, { start: 1 });
  const missing = graph.node1("Sub", [graph.int64s([length]), given], { dtype: "int64", shape: [1] });
  const pads = concat([graph.int64s([0, 0, 0]), missing], 0);
  const filler = graph.weight("pad_token_id", "int64", [], BigInt64Array.of(BigInt(padId)));
  return graph.node1("Pad", [ids, pads, filler], { dtype: "int64", shape: [ids.shape[0] ?? 1, length] });
}
