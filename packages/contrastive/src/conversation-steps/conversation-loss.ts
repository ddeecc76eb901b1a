import { concat, gatherRows, reshape, softmaxCrossEntropy, type Tensor } from "@sightline/graph";
import type { DecoderGraph } from "../decoder-models/decoder-graph.js";
import type { ConversationShape } from "./tokenized-conversation.js";

/** The loss over the answers of conversations, and what the decoder would have said. */
export interface ConversationLoss {
  /** float32[]: mean cross-entropy of the learnt places, by their weights. */
  readonly loss: Tensor;
  /** int64[n]: what the decoder would say in each learnt place. */
  readonly predicted: Tensor;
}

/**
 * The decoder's loss on what is learnt of a batch of conversations (Liu et al. 2023, LLaVA, eq. 3), rows of images standing
 * among the tokens. Declares the inputs that `packConversations` gives: `tokens` int64[B·R]; `layout` int64[B, S], which row
 * of images-then-texts stands in each place; `targets` int64[n], places (of B·S) that foretell; `labels` int64[n] what;
 * `counts` float32[n] how much that counts.
 * @param imageRows float32[V, W], rows of all images of the batch
 * @param attention "both-ways": rows of a view look at each other (Gemma 3), and which those are is an input, `apart`
 * float32[B, 1, S, S] (`placesApart`); "causal" when left out
 */
export function conversationLoss(decoder: DecoderGraph, imageRows: Tensor, { conversations, textTokens, positions, targets }: ConversationShape, attention: "causal" | "both-ways" = "causal"): ConversationLoss {
  const { graph } = imageRows;
  const { width } = decoder.config;
  const tokens = decoder.embed(graph.input("tokens", "int64", [conversations * textTokens]));
  const sequence = gatherRows(concat([imageRows, tokens], 0), graph.input("layout", "int64", [conversations, positions]));
  const apart = attention === "both-ways" ? graph.input("apart", "float32", [conversations, 1, positions, positions]) : undefined;
  const hidden = reshape(decoder.hidden(sequence, apart), [conversations * positions, width]);
  const logits = decoder.logits(gatherRows(hidden, graph.input("targets", "int64", [targets])));
  const loss = softmaxCrossEntropy(logits, graph.input("labels", "int64", [targets]), graph.input("counts", "float32", [targets]));
  return { loss, predicted: graph.node1("ArgMax", [logits], { dtype: "int64", shape: [targets] }, { axis: -1, keepdims: 0 }) };
}
