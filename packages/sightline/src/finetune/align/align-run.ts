import path from "node:path";
import { adamW, bestStepOf, ConversationScorer, ConversationStep, cosineLearningRate, movingAverage, muon, shuffledBatches, train, type AdamWState, type ConversationBatch, type DataPosition, type Optimizer, type TrainingBatch, type TrainOptions } from "@sightline/contrastive";
import { elementCount, type SessionOptions } from "@sightline/graph";
import { SightlineError } from "../../sightline-error.js";
import { eventsDuring } from "../events-during.js";
import type { FinetuneEvent } from "../finetune-event.js";
import { asTexts, openRunFolder, type RunFolderOptions } from "../run-folder.js";
import { RunLog } from "../run-log.js";
import { alignAdaptation, conversationModel, fillAlignParameters, towerIsFrozen } from "./align-adaptation.js";
import { checkAlignExports, exportAligned } from "./align-exports.js";
import { AlignInputs } from "./align-inputs.js";
import { isDecoderParameter, isTowerParameter, openAlignModel, type AlignModel } from "./align-model.js";
import type { AlignConfig } from "./align-settings.js";
import { readConversations, type ReadConversations } from "./read-conversations.js";

export interface AlignOptions extends RunFolderOptions {
  readonly signal?: AbortSignal;
}

/**
 * Trains a projector between a tower and a decoder, and what else the configuration says, on what assistants answer, and
 * tells what happens meanwhile (Liu et al. 2023, LLaVA: its first stage where the projector alone is trained).
 * @throws as `finetune`
 */
export async function* alignProjector(config: AlignConfig, options: AlignOptions = {}): AsyncGenerator<FinetuneEvent, void> {
  const { signal } = options;
  await using model = await openAlignModel(config);
  const exports = checkAlignExports(config, model);
  const adapted = alignAdaptation(config, model);
  const session: SessionOptions = { device: config.device, ...(config.threads === undefined ? {} : { threads: config.threads }) };
  const read = await readConversations(config.data.train, config, signal);
  const heldOut = config.data.validation && (await readConversations(config.data.validation, config, signal));

  await using folder = await openRunFolder(config, options);
  const keepFeatures = towerIsFrozen(config) && config.cacheFeatures;
  const open = ({ conversations }: ReadConversations): AsyncGenerator<FinetuneEvent, AlignInputs> =>
    eventsDuring((tell) => AlignInputs.open(model, conversations, { config, session, keepFeatures, signal, onFeatures: (done, total) => tell({ type: "features-computed", tower: "image", done, total }) }));
  await using inputs = yield* open(read);
  await using held = heldOut && (yield* open(heldOut));
  // Everything is read; a GGUF's tokenizer holds its whole decoder.
  await model.chat[Symbol.asyncDispose]();
  const { batchSize } = config;
  if (batchSize > inputs.samples.length) throw new SightlineError("bad-input", `finetune: expected a batchSize of at most ${inputs.samples.length}, as many conversations as there are, got ${batchSize}`);
  const totalSteps = config.steps ?? Math.ceil((config.epochs ?? 1) * Math.floor(inputs.samples.length / batchSize));

  const chunk = config.chunk ?? defaultChunk(inputs, model);
  const put = conversationModel(model, keepFeatures ? "features" : "pixels", adapted);
  const { adaptation, lora } = adapted;
  await using step = await ConversationStep.open({ model: put, adaptation, sizes: inputs.sizes(Math.min(chunk, batchSize)), seed: config.seed, ...session });
  await using scorer = held && (await ConversationScorer.open({ model: put, adaptation, sizes: held.sizes(Math.min(chunk, batchSize, held.samples.length)), ...session }));
  const { parameters } = step;
  await fillAlignParameters(parameters, model, config.seed);

  yield {
    type: "data-read",
    unit: "conversations",
    trainPairs: inputs.samples.length,
    validationPairs: held?.samples.length ?? 0,
    leftOut: [...read.bad.report(), ...inputs.bad.map(({ id, reason }) => `${id}: ${reason}`)],
    cutCaptions: inputs.cut,
    totalSteps,
    trainedParameters: parameters.values.length,
    parameters: allParameters(model, parameters.slots),
  };
  const { optimizer, schedule } = config;
  const trainOptions: TrainOptions<ConversationBatch> = {
    step,
    optimizer: optimizerOf(config),
    batches: (from, taken) => stepBatches(inputs, config, { from, taken, wanted: totalSteps - taken }, signal),
    learningRate: (at) => cosineLearningRate(at, { peak: optimizer.learningRate, warmupSteps: schedule.warmupSteps ?? Math.floor(totalSteps / 20), totalSteps, floor: schedule.floor }),
    totalSteps,
    maxGradientNorm: optimizer.maxGradientNorm,
    ...(optimizer.movingAverage === undefined ? {} : { movingAverage: movingAverage({ decay: optimizer.movingAverage, warmUp: true }) }),
    ...(held && scorer
      ? { evaluate: { everySteps: config.evaluate.everySteps ?? Math.max(1, Math.ceil(totalSteps / 10)), run: async (stop) => ({ ...(await scorer.score(parameters, held.everything(stop), stop)) }) } }
      : {}),
    checkpoints: {
      folder: folder.checkpoints,
      everySteps: config.checkpoints.everySteps,
      ...(config.checkpoints.best === undefined ? {} : { best: { metric: config.checkpoints.best, higherIsBetter: !/loss|perplexity/i.test(config.checkpoints.best) } }),
      settings: resumeSettings(config, totalSteps, inputs.samples.length),
      ...(folder.resumeAt === undefined ? {} : { resumeAt: folder.resumeAt }),
    },
    ...(signal ? { signal } : {}),
  };
  await using log = await RunLog.open(folder.path, folder.resumeAt);
  const title = `${path.basename(config.out)}: alignment, batch ${batchSize}`;
  try {
    for await (const event of train(trainOptions)) {
      await log.write(event);
      yield event;
    }
  } catch (error) {
    // The picture of a run that failed is worth having, and its own failure is not.
    await log.draw(title, "conversations").catch(() => undefined);
    throw error;
  }
  await log.draw(title, "conversations");
  const best = config.checkpoints.best === undefined ? undefined : await bestStepOf(folder.checkpoints.fileOf(totalSteps));
  yield* exportAligned({ config, model, parameters, lora, best: best === undefined ? undefined : folder.checkpoints.fileOf(best) }, exports);
}

/** What the activations of a chunk may take where the configuration leaves its size open, bytes; of any machine the same, so that a resumed run has it too. */
const activationBytes = 2 * 2 ** 30;

/** Conversations whose activations fit: of the decoder's blocks, and of the logits over its vocabulary. */
function defaultChunk(inputs: AlignInputs, { decoder: { config } }: AlignModel): number {
  const { positions, targets } = inputs.sizes(1);
  const { layers, heads, width, vocabularySize } = config;
  // As of a tower's block: about 26 rows of the width and 6 score matrices are alive at the turn of the passes.
  const perConversation = 4 * (3 * targets * vocabularySize + layers * (26 * positions * width + 6 * heads * positions * positions));
  return Math.max(1, Math.floor(activationBytes / perConversation));
}

/** Batches as steps take them, the next one's pictures decoded while the step computes. */
async function* stepBatches(inputs: AlignInputs, { batchSize, seed }: AlignConfig, { from, taken, wanted }: { readonly from: DataPosition; readonly taken: number; readonly wanted: number }, signal: AbortSignal | undefined): AsyncGenerator<TrainingBatch<ConversationBatch>, void> {
  const shuffled = shuffledBatches(inputs.samples, { batchSize, seed, from }, { caller: "finetune", items: "conversations" });
  const load = async (step: number): Promise<TrainingBatch<ConversationBatch>> => {
    const { items, epoch, next } = shuffled.next().value;
    const samples = items.map(({ item }) => item);
    return { batch: { ...(await inputs.batch(samples, signal)), step }, samples: samples.length, epoch, next, ids: samples.map(({ id }) => id) };
  };
  let coming: Promise<TrainingBatch<ConversationBatch>> | undefined;
  for (let step = taken; step < taken + wanted; step++) {
    const batch = await (coming ?? load(step));
    coming = step + 1 < taken + wanted ? load(step + 1) : undefined;
    // A run that ends here never looks at it.
    coming?.catch(() => undefined);
    yield batch;
  }
}

function optimizerOf({ optimizer }: AlignConfig): Optimizer<AdamWState> {
  const { type, beta1, beta2, epsilon, weightDecay, rates } = optimizer;
  const rateFactor = ({ name }: { readonly name: string }): number => (isDecoderParameter(name) ? rates.decoder : isTowerParameter(name) ? rates.tower : rates.projector) ?? 1;
  return (type === "muon" ? muon : adamW)({ beta1, beta2, epsilon, weightDecay, rateFactor });
}

/** Numbers of tower, projector and decoder together, trained or not; adapters are none of the model's. */
function allParameters({ decoderSource, towerSource, started }: AlignModel, trained: readonly { readonly name: string; readonly length: number }[]): number {
  const held = [...decoderSource.tensors.values(), ...towerSource.tensors.values()].reduce((sum, { shape }) => sum + elementCount(shape), 0);
  return held + (started ? trained.reduce((sum, { name, length }) => sum + (isDecoderParameter(name) || isTowerParameter(name) ? 0 : length), 0) : 0);
}

/** What a resumed run must have in common with the one before it. */
function resumeSettings({ stage, model, data, projector, trains, optimizer, schedule, batchSize, chunk, seed, cacheFeatures }: AlignConfig, totalSteps: number, conversations: number): Readonly<Record<string, string>> {
  return asTexts({ stage, model, data, projector, trains, optimizer, schedule, batchSize, chunk, seed, cacheFeatures, steps: totalSteps, conversations });
}
