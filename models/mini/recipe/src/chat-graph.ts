import { add, Graph, reshape, scale } from "@sightline/graph";
import { buildDecoder, conversationLoss, sigmoidLoss, trainableParameters, type ConversationShape, type TrainingGraph } from "@sightline/contrastive";
import { newProjector } from "@sightline/projector";
import { patchCount, patchGrid, siglipPatchTokens, siglipPooledEmbedding, siglipTextEmbedding } from "@sightline/vision-tower";
import { miniDecoder, miniText, miniVision } from "./mini-config.js";
import { patchNameLoss } from "./patch-names.js";
import { normalizedPatches } from "./tower-graph.js";

/** Sizes of a batch of conversations, each about one image, of as many positions as text tokens and patches. */
export interface ChatBatchShape extends ConversationShape {
  /** M, texts of the sigmoid loss that keeps the pooled embedding in place. */
  readonly texts: number;
  readonly textVocabularySize: number;
  readonly chatVocabularySize: number;
}

/** Weight of the sigmoid loss beside the decoder's. */
const sigmoidShare = 0.05;
/** Weight of the patches' names, which keep telling the tower what is where while the decoder learns to say it. */
const patchShare = 0.3;

/**
 * Tower, projector and decoder under the decoder's cross-entropy, with the sigmoid loss and the patches' names beside it.
 * Inputs: `patches` uint8[B, P, 3·p·p]; those of `conversationLoss`; `names` int64[M, T] and `matches` float32[B, M] for the
 * sigmoid loss; those of `patchNameLoss`. Metric: `predicted` int64[n].
 */
export function chatTrainingGraph(shape: ChatBatchShape): TrainingGraph {
  const { conversations: images, texts, textVocabularySize, chatVocabularySize } = shape;
  const graph = new Graph();
  const { parameter, tensors } = trainableParameters(graph);
  const patches = patchCount(miniVision);
  const { width } = miniDecoder;
  const patchTokens = siglipPatchTokens(normalizedPatches(graph, images, patches), parameter, miniVision, { fused: false });

  const decoder = buildDecoder(parameter, { ...miniDecoder, vocabularySize: chatVocabularySize });
  const { projector } = newProjector({ type: "mlp", patchWidth: miniVision.width, outputWidth: width });
  const rows = projector.build(patchTokens, patchGrid(miniVision), parameter);
  const { loss: answerLoss, predicted } = conversationLoss(decoder, reshape(rows, [images * patches, width]), shape);

  const pooled = siglipPooledEmbedding(patchTokens, parameter, miniVision);
  const names = graph.input("names", "int64", [texts, miniText.maxTokens]);
  const text = siglipTextEmbedding(names, parameter, { ...miniText, vocabularySize: textVocabularySize }, { fused: false });
  const matches = graph.input("matches", "float32", [images, texts]);
  const pairLoss = sigmoidLoss(pooled, text, matches, parameter("logit_scale", [1]), parameter("logit_bias", [1]));

  const patchLoss = patchNameLoss(graph, patchTokens, parameter, images * patches);
  const loss = add(answerLoss, add(scale(pairLoss, sigmoidShare), scale(patchLoss, patchShare)));

  return { graph, loss, parameters: tensors, metrics: { predicted, pairLoss, patchLoss } };
}
