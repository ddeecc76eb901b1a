import { totalmem } from "node:os";
import { CachedPairStep, ChunkedSigmoidLoss, DirectPairStep, ringSigmoidLoss, softmaxPairLoss, type BatchLoss, type Collectives, type PairStepBatch, type Temperature, type TrainingStep, type TwoTowers } from "@sightline/contrastive";
import type { SessionOptions } from "@sightline/graph";
import type { Adaptation } from "./adaptation.js";
import type { FinetuneConfig } from "./finetune-settings.js";
import type { TrainingModel } from "./training-model.js";

/** Share of the machine's memory that activations may take. */
const activationShare = 0.4;

/**
 * Pairs whose activations are held at a time, where the configuration leaves it open: the whole batch, or as many as a
 * share of this machine's memory holds. It depends on the machine alone, so that a resumed run has the same.
 */
export function defaultChunk({ batchSize }: FinetuneConfig, { vision, text }: TrainingModel): number {
  const perPair = [{ ...vision.encoder, tokens: vision.patches }, { ...text, tokens: text.maxTokens }].reduce(
    // Measured at B/16: about 26 rows of the width and 6 score matrices of each block are alive at the turn of the passes.
    (sum, { layers, width, heads, tokens }) => sum + layers * 4 * (26 * tokens * width + 6 * heads * tokens * tokens),
    0,
  );
  return Math.max(1, Math.min(batchSize, Math.floor((activationShare * totalmem()) / perPair)));
}

/** The step of a run: direct where the batch fits in one chunk, chunk by chunk otherwise. */
export async function openPairStep(
  config: FinetuneConfig,
  towers: TwoTowers,
  { adaptation }: Adaptation,
  fixedTemperature: Partial<Temperature>,
  session: SessionOptions,
  collectives?: Collectives,
): Promise<TrainingStep<PairStepBatch>> {
  const { loss: objective, batchSize, seed, data } = config;
  const chunk = Math.min(config.chunk ?? batchSize, Math.ceil(batchSize / (collectives?.size ?? 1)));
  const shared = { towers, adaptation, fixedTemperature, seed, ...session };
  if (!collectives && chunk >= batchSize) return DirectPairStep.open({ ...shared, objective, batchSize });
  if (objective.type === "softmax") {
    return CachedPairStep.open({ ...shared, loss: (embeddings, { labels }, temperature) => softmaxPairLoss(embeddings, labels, temperature), imageChunk: chunk, textChunk: chunk });
  }
  const tiles = await ChunkedSigmoidLoss.open({ width: towers.width, chunk: Math.min(1024, batchSize), ...(objective.negatives ? { negatives: objective.negatives } : {}), ...session });
  const loss: BatchLoss = collectives
    ? (embeddings, own, temperature) => ringSigmoidLoss(collectives, (...block) => tiles.evaluate(...block), embeddings, own, temperature, { duplicates: data.duplicates })
    : (embeddings, { labels }, temperature) => tiles.evaluate(embeddings, labels, temperature);
  const step = await CachedPairStep.open({ ...shared, loss, imageChunk: chunk, textChunk: chunk });
  return {
    parameters: step.parameters,
    gradients: step.gradients,
    run: (batch, signal) => step.run(batch, signal),
    [Symbol.asyncDispose]: async () => {
      await step[Symbol.asyncDispose]();
      await tiles[Symbol.asyncDispose]();
    },
  };
}
