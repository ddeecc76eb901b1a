import { fittedLogitBias, initialiseLora, pairLabels, seededHash, seededUniform, startingLogitBias, type LoraOptions, type PairEncoders, type ParameterSet } from "@sightline/contrastive";
import type { FinetuneConfig } from "./finetune-settings.js";
import type { InputBatch } from "./pair-inputs.js";
import type { TrainingModel } from "./training-model.js";

/** t' and b that a run starts from. */
export interface StartingTemperature {
  readonly logitScale: number;
  readonly logitBias: number;
}

/** Fills parameters with the checkpoint's tensors, and adapters so that they change nothing. */
export async function fillParameters(parameters: ParameterSet, { weights }: TrainingModel, lora: LoraOptions | undefined, seed: number): Promise<void> {
  for (const { name } of parameters.slots) if (weights.tensors.has(name)) parameters.get(name).set(await weights.readFloat32(name));
  if (!lora) return;
  const hash = seededHash(seed, "lora");
  let drawn = 0;
  initialiseLora(parameters, () => seededUniform(hash, drawn++));
}

/** t' and b at the start, where the configuration and the checkpoint say them; b is undefined where it is to be fitted. */
export function askedTemperature({ logitScale, logitBias, loss, batchSize }: FinetuneConfig, checkpoint: StartingTemperature): Partial<StartingTemperature> & Pick<StartingTemperature, "logitScale"> {
  const scale = { logitScale: logitScale === "checkpoint" ? checkpoint.logitScale : Math.log(logitScale) };
  if (typeof logitBias === "number") return { ...scale, logitBias };
  if (logitBias === "checkpoint" || loss.type === "softmax") return { ...scale, logitBias: checkpoint.logitBias };
  return logitBias === "batch" ? { ...scale, logitBias: startingLogitBias(batchSize, batchSize ** 2) } : scale;
}

/**
 * b fitted to the first batch.
 * @param encoders under the starting parameters
 */
export async function biasOfFirstBatch({ batchSize }: FinetuneConfig, width: number, encoders: PairEncoders, parameters: ParameterSet, first: InputBatch, logitScale: number): Promise<number> {
  // As many pairs as tell the bias well; a whole batch of thousands would be a product of its own.
  const count = Math.min(first.pairs.length, mostFitted);
  const part = <T extends InputBatch["images"]>(rows: T): InputBatch["images"] => ({ count, rows: (from, to) => rows.rows(from, to) });
  const embeddings = {
    width,
    images: await encoders.embed("image", parameters, part(first.images)),
    texts: await encoders.embed("text", parameters, part(first.texts)),
  };
  const labels = pairLabels({
    images: count,
    imageOfText: Int32Array.from({ length: count }, (_, i) => i),
    captions: first.pairs.slice(0, count).map(({ caption }) => caption),
    imageIds: first.pairs.slice(0, count).map(({ pair }) => pair.id),
  });
  // The negatives of the whole batch are more than those of its part.
  const negatives = (batchSize - 1) / Math.max(1, count - 1);
  return fittedLogitBias(embeddings, { ...labels, negativeWeight: negatives }, logitScale);
}

const mostFitted = 1024;
