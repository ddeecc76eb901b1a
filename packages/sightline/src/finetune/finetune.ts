import path from "node:path";
import { adamW, bestStepOf, cosineLearningRate, logitScaleLimit, movingAverage, muon, pairLabels, PairEncoders, featureTowers, towerRates, train, type AdamWState, type CheckpointOptions, type Collectives, type DataPosition, type Optimizer, type PairStepBatch, type ParameterSet, type TrainingBatch, type TrainOptions } from "@sightline/contrastive";
import { elementCount, type SessionOptions } from "@sightline/graph";
import { adaptationOf, type Adaptation } from "./adaptation.js";
import { alignProjector } from "./align/align-run.js";
import type { AlignConfig, AlignSettings } from "./align/align-settings.js";
import { eventsDuring } from "./events-during.js";
import { expectExportable, exportResults } from "./export-results.js";
import { parseFinetuneConfig } from "./finetune-config.js";
import type { FinetuneEvent } from "./finetune-event.js";
import type { FinetuneConfig, FinetuneSettings } from "./finetune-settings.js";
import { ImageSpool } from "./image-spool.js";
import { SightlineError } from "../sightline-error.js";
import { noHeldOutSets, openHeldOutSets } from "./held-out-sets.js";
import { askedTemperature, biasOfFirstBatch, fillParameters, type StartingTemperature } from "./initial-parameters.js";
import { wholeBatch, type BatchShare } from "./loaded-batches.js";
import { PairInputs, type InputBatch } from "./pair-inputs.js";
import { defaultChunk, openPairStep } from "./pair-steps.js";
import { openRunFolder, resumeSettings, type RunFolder } from "./run-folder.js";
import { RunLog } from "./run-log.js";
import { expectShareable, openSharedRunFolder, StopAgreement } from "./shared-run.js";
import { readTrainingData } from "./training-data.js";
import { openTrainingModel, type TrainingModel } from "./training-model.js";

/** What `finetune` takes besides its configuration. */
export interface FinetuneOptions {
  /** Go on from the last checkpoint in `out`; the further steps are the same, to the bit, as if it had never stopped. */
  readonly resume?: boolean;
  /** Replace a run that lies in `out`. */
  readonly overwrite?: boolean;
  /** Ends the run after the step under way, with a checkpoint. */
  readonly signal?: AbortSignal;
  /**
   * The processes that train together, each on its part of every batch (`openMpi`). All are given the same settings; the
   * first evaluates, writes, and tells what happens, the others tell nothing.
   */
  readonly collectives?: Collectives;
}

/**
 * Fine-tunes both towers of a SigLIP checkpoint on image–text pairs or, with `stage: "align"`, a projector between a tower
 * and a decoder on conversations, and tells what happens meanwhile. When the iteration ends, checkpoints, logs, picture and
 * results lie in `out`.
 * @throws SightlineError `bad-input` for a configuration or data that is wrong, `output-exists` when `out` holds a run;
 * TrainingError naming the step and its pairs when the loss is no number; the signal's reason
 */
export async function* finetune(settings: FinetuneSettings | FinetuneConfig | AlignSettings | AlignConfig, options: FinetuneOptions = {}): AsyncGenerator<FinetuneEvent, void> {
  const { collectives } = options;
  const asked = parseFinetuneConfig(settings);
  if (asked.stage === "align") {
    if (collectives && collectives.size > 1) throw new SightlineError("bad-input", 'finetune: stage "align" trains on one process; start it without mpirun');
    return yield* alignProjector(asked, options);
  }
  expectShareable(asked, collectives);
  const leads = collectives === undefined || collectives.rank === 0;
  const agreement = collectives && new StopAgreement(collectives, options.signal);
  const signal = agreement?.signal ?? options.signal;
  await using model = await openTrainingModel(asked.model);
  expectExportable(asked, model);
  const config: FinetuneConfig = { ...asked, chunk: asked.chunk ?? defaultChunk(asked, model) };
  const adapted = adaptationOf(config, model);
  const session: SessionOptions = { device: config.device, ...(config.threads === undefined ? {} : { threads: config.threads }) };
  await using spool = new ImageSpool();
  const data = await readTrainingData(config.data.train, config, model.tokenizer, spool, signal);
  const held = leads && config.data.validation ? await readTrainingData(config.data.validation, config, model.tokenizer, spool, signal) : undefined;

  await using folder = collectives ? await openSharedRunFolder(config, options, collectives) : await openRunFolder(config, options);
  await using inputs = yield* eventsDuring<FinetuneEvent, PairInputs>((tell) => {
    const onFeatures = (tower: "image" | "text", done: number, total: number): void => (leads ? tell({ type: "features-computed", tower, done, total }) : undefined);
    return PairInputs.open(model, config, data.pairs, adapted.frozen, session, onFeatures, signal);
  });
  const totalSteps = config.steps ?? Math.ceil((config.epochs ?? 1) * Math.floor(inputs.pairs.length / config.batchSize));

  const towers = featureTowers(model.towers, inputs.parts);
  const encoderOptions = { towers, adaptation: adapted.adaptation, chunk: Math.min(config.chunk ?? 16, 16), ...session };
  await using encoders = await PairEncoders.open(encoderOptions);
  const started = await start(config, model, adapted, inputs, encoders, signal);
  const fixed = config.trains.temperature ? (config.loss.type === "softmax" ? { logitBias: started.logitBias } : {}) : started;
  await using step = await openPairStep(config, towers, adapted, fixed, session, collectives);
  const { parameters } = step;
  await fillParameters(parameters, model, adapted.lora, config.seed);
  if (parameters.has("logit_scale")) parameters.get("logit_scale")[0] = started.logitScale;
  if (parameters.has("logit_bias")) parameters.get("logit_bias")[0] = started.logitBias;

  if (leads) yield {
    type: "data-read",
    unit: "pairs",
    trainPairs: inputs.pairs.length,
    validationPairs: held?.pairs.length ?? 0,
    leftOut: [...data.bad.report(), ...inputs.bad.map(({ id, reason }) => `${id}: ${reason}`)],
    cutCaptions: data.longCaptions,
    totalSteps,
    trainedParameters: parameters.values.length,
    parameters: [...model.weights.tensors.values()].reduce((sum, { shape }) => sum + elementCount(shape), 0),
  };
  await using evaluation = leads ? await openHeldOutSets({ config, model, adapted, encoders, session, spool, pairs: held?.pairs }, signal) : noHeldOutSets;
  const leftOut: FinetuneEvent[] = [];
  const trainOptions: TrainOptions<PairStepBatch> = {
    step,
    optimizer: optimizerOf(config, model),
    batches: (from, taken) => stepBatches(inputs, config, { from, taken, wanted: totalSteps - taken, share: collectives ?? wholeBatch }, leftOut, signal),
    learningRate: (at) => cosineLearningRate(at, { peak: config.optimizer.learningRate, warmupSteps: config.schedule.warmupSteps ?? Math.floor(totalSteps / 20), totalSteps, floor: config.schedule.floor }),
    totalSteps,
    maxGradientNorm: config.optimizer.maxGradientNorm,
    ...(config.optimizer.movingAverage === undefined ? {} : { movingAverage: movingAverage({ decay: config.optimizer.movingAverage, warmUp: true }) }),
    ...(config.maxLogitScale === undefined ? {} : { constrain: limitScale(Math.max(model.logitScale, started.logitScale), Math.log(config.maxLogitScale)) }),
    ...(evaluation.isEmpty
      ? {}
      : {
          evaluate: {
            everySteps: config.evaluate.everySteps ?? Math.max(1, Math.ceil(totalSteps / 10)),
            run: (stop) => evaluation.figures(parameters, { ...started, ...temperatureOf(parameters) }, stop),
          },
        }),
    checkpoints: { ...checkpointsOf(config, folder, totalSteps, inputs.pairs.length), writes: leads },
    ...(agreement ? { reduceGradients: (gradients) => agreement.reduce(gradients) } : {}),
    ...(signal ? { signal } : {}),
  };
  if (!leads) {
    for await (const event of train(trainOptions)) void event;
    return;
  }
  await using log = await RunLog.open(folder.path, folder.resumeAt);
  const title = `${path.basename(config.out)}: ${config.loss.type} loss, batch ${config.batchSize}`;
  try {
    for await (const event of train(trainOptions)) {
      yield* leftOut.splice(0);
      await log.write(event);
      yield event;
    }
  } catch (error) {
    // The picture of a run that failed is worth having, and its own failure is not.
    await log.draw(title).catch(() => undefined);
    throw error;
  }
  await log.draw(title);
  const best = config.checkpoints.best === undefined ? undefined : await bestStepOf(folder.checkpoints.fileOf(totalSteps));
  yield* exportResults({ config, model, parameters, lora: adapted.lora, temperature: { ...started, ...temperatureOf(parameters) }, best: best === undefined ? undefined : folder.checkpoints.fileOf(best), signal });
}

/** t' and b at the start; the first batch is read only where b is fitted to it. */
async function start(config: FinetuneConfig, model: TrainingModel, { lora }: Adaptation, inputs: PairInputs, encoders: PairEncoders, signal: AbortSignal | undefined): Promise<StartingTemperature> {
  const { logitScale, logitBias } = askedTemperature(config, model);
  if (logitBias !== undefined) return { logitScale, logitBias };
  for await (const first of inputs.batches({ epoch: 0, batch: 0 }, { wanted: 1, ...(signal ? { signal } : {}) })) {
    if (first.pairs.length === 0) continue;
    const parameters = encoders.newParameters();
    await fillParameters(parameters, model, lora, config.seed);
    // Awaited here: with the loop the batch goes away.
    return { logitScale, logitBias: await biasOfFirstBatch(config, model.towers.width, encoders, parameters, first, logitScale) };
  }
  throw new Error("finetune: batches never end");
}

/** Batches as steps take them, without those of which nothing is left. */
async function* stepBatches(inputs: PairInputs, { data }: FinetuneConfig, { from, taken, wanted, share }: { readonly from: DataPosition; readonly taken: number; readonly wanted: number; readonly share: BatchShare }, leftOut: FinetuneEvent[], signal?: AbortSignal): AsyncGenerator<TrainingBatch<PairStepBatch>, void> {
  let step = taken;
  for await (const batch of inputs.batches(from, { wanted, share, ...(signal ? { signal } : {}) })) {
    if (batch.bad.length > 0) leftOut.push({ type: "pairs-left-out", step: step + 1, bad: batch.bad });
    // Several processes must take the same steps, though one of them has nothing to add.
    if (batch.pairs.length === 0 && share.size === 1) continue;
    yield stepBatch(batch, data.duplicates, step++);
  }
}

function stepBatch({ pairs, images, texts, epoch, next }: InputBatch, duplicates: "ignore" | "positive", step: number): TrainingBatch<PairStepBatch> {
  const captions = pairs.map(({ caption }) => caption);
  const imageIds = pairs.map(({ pair }) => pair.id);
  const labels = pairLabels({ images: pairs.length, imageOfText: Int32Array.from(pairs, (_, i) => i), captions, imageIds, duplicates });
  return { batch: { images, texts, labels, captions, imageIds, step }, samples: pairs.length, epoch, next, ids: imageIds };
}

function optimizerOf({ optimizer }: FinetuneConfig, { towers }: TrainingModel): Optimizer<AdamWState> {
  const { type, beta1, beta2, epsilon, weightDecay, rates } = optimizer;
  const rateFactor = towerRates({ layers: towers.layers, ...rates });
  return (type === "muon" ? muon : adamW)({ beta1, beta2, epsilon, weightDecay, rateFactor });
}

function limitScale(shipped: number, wanted: number): (parameters: ParameterSet) => void {
  const limit = logitScaleLimit(shipped, wanted);
  return (parameters) => {
    const scale = parameters.has("logit_scale") ? parameters.get("logit_scale") : undefined;
    if (scale && (scale[0] as number) > limit) scale[0] = limit;
  };
}

function checkpointsOf(config: FinetuneConfig, folder: RunFolder, totalSteps: number, pairs: number): CheckpointOptions {
  const { everySteps, best } = config.checkpoints;
  return {
    folder: folder.checkpoints,
    everySteps,
    ...(best === undefined ? {} : { best: { metric: best, higherIsBetter: !/rank|loss/i.test(best) } }),
    settings: resumeSettings(config, totalSteps, pairs),
    ...(folder.resumeAt === undefined ? {} : { resumeAt: folder.resumeAt }),
  };
}

function temperatureOf(parameters: ParameterSet): { readonly logitScale?: number; readonly logitBias?: number } {
  const of = (name: string): number | undefined => (parameters.has(name) ? parameters.get(name)[0] : undefined);
  const [logitScale, logitBias] = [of("logit_scale"), of("logit_bias")];
  return { ...(logitScale === undefined ? {} : { logitScale }), ...(logitBias === undefined ? {} : { logitBias }) };
}
