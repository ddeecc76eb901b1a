import type { Tensor } from "@sightline/graph";
import type { NegativeSelection } from "../losses/pair-loss.js";
import { sigmoidLoss } from "../losses/sigmoid-loss.js";
import { softmaxLoss } from "../losses/softmax-loss.js";

/** Which loss, and which negatives count in it. */
export type PairObjective =
  | { readonly type: "sigmoid"; readonly negatives?: NegativeSelection }
  /** CLIP's; it has no bias, and every negative counts. */
  | { readonly type: "softmax" };

/** The loss in a graph, float32[]; arguments as of `sigmoidLoss`. */
export function objectiveGraph(objective: PairObjective, images: Tensor, texts: Tensor, labels: Tensor, logitScale: Tensor, logitBias: Tensor): Tensor {
  if (objective.type === "softmax") return softmaxLoss(images, texts, labels, logitScale);
  return sigmoidLoss(images, texts, labels, logitScale, logitBias, objective.negatives);
}
