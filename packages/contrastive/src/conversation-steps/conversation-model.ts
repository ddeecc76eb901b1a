import { reshape, type Graph, type Tensor, type TensorValue } from "@sightline/graph";
import type { RowSource } from "../cached/cached-encoder.js";
import { paddedRows } from "../cached/padded-rows.js";
import { buildDecoder } from "../decoder-models/decoder-graph.js";
import type { DecoderConfig } from "../decoder-models/decoder-config.js";
import type { Parameter } from "../pair-steps/two-towers.js";
import { TrainingError } from "../training-error.js";
import { conversationLoss, type ConversationLoss } from "./conversation-loss.js";
import { packConversations, placesApart, type ConversationShape, type PackedConversations, type TokenizedConversation } from "./tokenized-conversation.js";

/** A decoder, and what gives it rows of images, that can be put into any graph; whoever knows the model builds them. */
export interface ConversationModel {
  readonly decoder: DecoderConfig;
  /** N, rows of a view (a picture, or a tile of one). */
  readonly rowsPerView: number;
  /** "both-ways": the rows of a view look at each other. "causal" when left out. */
  readonly imageAttention?: "causal" | "both-ways";
  /** A token that fills up; it is never learnt. */
  readonly pad: number;
  /** Parameters that are not trained. */
  frozen(graph: Graph): Parameter;
  /** Declares the inputs of `views` views and gives their rows, float32[views, N, W] or float32[views · N, W]. */
  rows(graph: Graph, views: number, parameter: Parameter): Tensor;
}

/** Conversations of one step, with their pictures. */
export interface ConversationBatch {
  readonly conversations: readonly TokenizedConversation[];
  /** Views of each conversation. */
  readonly views: readonly number[];
  /** All of them, one conversation's after another's. */
  readonly images: RowSource;
  /** Steps taken before; dropout hangs on it. */
  readonly step: number;
}

/** What a graph of conversations is built for. */
export interface ConversationSizes extends ConversationShape {
  /** Views of the whole chunk, at least 1. */
  readonly views: number;
}

/** The loss of a chunk of conversations under a model. */
export function conversationGraph(graph: Graph, model: ConversationModel, sizes: ConversationSizes, parameter: Parameter): ConversationLoss {
  const decoder = buildDecoder(parameter, model.decoder);
  const rows = model.rows(graph, sizes.views, parameter);
  const flat = rows.shape.length === 2 ? rows : reshape(rows, [sizes.views * model.rowsPerView, model.decoder.width]);
  return conversationLoss(decoder, flat, sizes, model.imageAttention);
}

/** The inputs of some conversations of a batch. */
export async function chunkFeeds({ rowsPerView, pad, imageAttention }: ConversationModel, sizes: ConversationSizes, { conversations, views, images }: ConversationBatch, from: number, to: number): Promise<{ readonly feeds: Record<string, TensorValue>; readonly packed: PackedConversations }> {
  const viewStarts = [0];
  for (const count of views) viewStarts.push((viewStarts.at(-1) as number) + count);
  const [first, end] = [viewStarts[from] as number, viewStarts[to] as number];
  if (end - first > sizes.views) throw new TrainingError(`chunkFeeds: expected at most ${sizes.views} views, got ${end - first}`);
  const chunk = conversations.slice(from, to);
  const packed = packConversations(chunk, sizes, pad, sizes.views * rowsPerView, (b) => ((viewStarts[from + b] as number) - first) * rowsPerView);
  // A chunk of texts alone still feeds a picture, which none of its places points to.
  const shown = end > first ? await images.rows(first, end) : await images.rows(0, 1);
  return { feeds: { ...Object.fromEntries(Object.entries(shown).map(([name, value]) => [name, paddedRows(value, sizes.views)])), ...packed.feeds, ...(imageAttention === "both-ways" ? { apart: placesApart(chunk, sizes, rowsPerView) } : {}) }, packed };
}
