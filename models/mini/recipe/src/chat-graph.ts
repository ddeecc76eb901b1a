import { add, concat, gatherRows, geluTanh, Graph, linear, matmul, reshape, scale, softmaxCrossEntropy, type Tensor } from "@sightline/graph";
import { qwen3Hidden, qwen3TokenTable, sigmoidLoss, trainableParameters, type TrainingGraph } from "@sightline/contrastive";
import { patchCount, siglipPatchTokens, siglipPooledEmbedding, siglipTextEmbedding, type Parameter } from "@sightline/vision-tower";
import { miniDecoder, miniText, miniVision } from "./mini-config.js";
import { patchNameLoss } from "./patch-names.js";
import { normalizedPatches } from "./tower-graph.js";

export interface ChatBatchShape {
  /** B, conversations, each about one image. */
  readonly images: number;
  /** Text tokens of a conversation, padding included. */
  readonly textTokens: number;
  /** S, positions of a conversation: image and text. */
  readonly positions: number;
  /** Positions of the whole batch whose next token is learnt, padding included. */
  readonly targets: number;
  /** M, texts of the sigmoid loss that keeps the pooled embedding in place. */
  readonly texts: number;
  readonly textVocabularySize: number;
  readonly chatVocabularySize: number;
}

/** Weight of the sigmoid loss beside the decoder's. */
const sigmoidShare = 0.05;
/** Weight of the patches' names, which keep telling the tower what is where while the decoder learns to say it. */
const patchShare = 0.3;

/** LLaVA's two layers (Liu et al. 2023): patch tokens float32[B, P, D] -> float32[B, P, W]. */
export function projectedPatches(patchTokens: Tensor, parameter: Parameter): Tensor {
  const { width } = miniDecoder;
  const hidden = geluTanh(linear(patchTokens, parameter("mm.0.weight", [width, miniVision.width]), parameter("mm.0.bias", [width])));
  return linear(hidden, parameter("mm.2.weight", [width, width]), parameter("mm.2.bias", [width]));
}

/**
 * Tower, projector and decoder under the decoder's cross-entropy, with the sigmoid loss and the patches' names beside it.
 * Inputs: `patches` uint8[B, P, 3·p·p]; `tokens` int64[B, R]; `layout` int64[B, S], which row of images-then-texts stands
 * at each position; `targets` int64[n], positions (of B·S) that predict; `labels` int64[n] what; `counts` float32[n];
 * `names` int64[M, T] and `matches` float32[B, M] for the sigmoid loss; those of `patchNameLoss`. Metric: `predicted` int64[n].
 */
export function chatTrainingGraph(shape: ChatBatchShape): TrainingGraph {
  const { images, textTokens, positions, targets, texts, textVocabularySize, chatVocabularySize } = shape;
  const graph = new Graph();
  const { parameter, tensors } = trainableParameters(graph);
  const patches = patchCount(miniVision);
  const { width } = miniDecoder;
  const patchTokens = siglipPatchTokens(normalizedPatches(graph, images, patches), parameter, miniVision, { fused: false });

  const config = { ...miniDecoder, vocabularySize: chatVocabularySize };
  const table = qwen3TokenTable(parameter, config);
  const tokens = gatherRows(table, graph.input("tokens", "int64", [images * textTokens]));
  const rows = concat([reshape(projectedPatches(patchTokens, parameter), [images * patches, width]), tokens], 0);
  const sequence = gatherRows(rows, graph.input("layout", "int64", [images, positions]));
  const hidden = reshape(qwen3Hidden(sequence, parameter, config), [images * positions, width]);
  const logits = matmul(gatherRows(hidden, graph.input("targets", "int64", [targets])), table, { transposeB: true });
  const labels = graph.input("labels", "int64", [targets]);
  const answerLoss = softmaxCrossEntropy(logits, labels, graph.input("counts", "float32", [targets]));

  const pooled = siglipPooledEmbedding(patchTokens, parameter, miniVision);
  const names = graph.input("names", "int64", [texts, miniText.maxTokens]);
  const text = siglipTextEmbedding(names, parameter, { ...miniText, vocabularySize: textVocabularySize }, { fused: false });
  const matches = graph.input("matches", "float32", [images, texts]);
  const pairLoss = sigmoidLoss(pooled, text, matches, parameter("logit_scale", [1]), parameter("logit_bias", [1]));

  const patchLoss = patchNameLoss(graph, patchTokens, parameter, images * patches);
  const loss = add(answerLoss, add(scale(pairLoss, sigmoidShare), scale(patchLoss, patchShare)));

  const predicted = graph.node1("ArgMax", [logits], { dtype: "int64", shape: [targets] }, { axis: -1, keepdims: 0 });
  return { graph, loss, parameters: tensors, metrics: { predicted, pairLoss, patchLoss } };
}
