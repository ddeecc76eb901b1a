import { PairEncoders, type ImageTextPair, type ParameterSet } from "@sightline/contrastive";
import type { SessionOptions } from "@sightline/graph";
import type { Adaptation } from "./adaptation.js";
import type { FinetuneConfig } from "./finetune-settings.js";
import type { ImageSpool } from "./image-spool.js";
import { retrievalFigures, ZeroShotTask } from "./held-out-figures.js";
import type { StartingTemperature } from "./initial-parameters.js";
import { PairInputs } from "./pair-inputs.js";
import { readTrainingData } from "./training-data.js";
import type { TrainingModel } from "./training-model.js";

export interface HeldOutOptions {
  readonly config: FinetuneConfig;
  readonly model: TrainingModel;
  readonly adapted: Adaptation;
  readonly encoders: PairEncoders;
  readonly session: SessionOptions;
  /** Holds images that come as bytes. */
  readonly spool: ImageSpool;
  /** The validation pairs, where there are some. */
  readonly pairs: readonly ImageTextPair[] | undefined;
}

/** The held-out sets of a run, decoded once, and what is measured on them. */
export interface HeldOutSets extends AsyncDisposable {
  readonly isEmpty: boolean;
  figures(parameters: ParameterSet, temperature: StartingTemperature, signal?: AbortSignal): Promise<Readonly<Record<string, number>>>;
}

/** Nothing to measure. */
export const noHeldOutSets: HeldOutSets = { isEmpty: true, figures: async () => ({}), [Symbol.asyncDispose]: async () => undefined };

/** @throws SightlineError `bad-input` when a set has no pair that can be read */
export async function openHeldOutSets({ config, model, adapted, encoders, session, spool, pairs }: HeldOutOptions, signal?: AbortSignal): Promise<HeldOutSets> {
  const opened: AsyncDisposable[] = [];
  const close = async (): Promise<void> => {
    for (const one of opened.splice(0).reverse()) await one[Symbol.asyncDispose]();
  };
  const keep = <T extends AsyncDisposable>(one: T): T => {
    opened.push(one);
    return one;
  };
  const open = async (set: readonly ImageTextPair[]): ReturnType<PairInputs["everything"]> =>
    keep(await keep(await PairInputs.open(model, config, set, adapted.frozen, session, () => undefined, signal)).everything(signal));
  try {
    const held = pairs && (await open(pairs));
    const { zeroShot } = config.evaluate;
    const task = zeroShot && new ZeroShotTask(await open((await readTrainingData(zeroShot.data, config, model.tokenizer, spool, signal)).pairs), zeroShot.templates);
    // Prompts are texts of no pair, and so have no features.
    const prompts = task && adapted.frozen.text ? keep(await PairEncoders.open({ towers: model.towers, adaptation: adapted.adaptation, chunk: 16, ...session })) : encoders;
    return {
      isEmpty: !held && !task,
      figures: async (parameters, temperature, stop) => ({
        ...(held ? await retrievalFigures(held, encoders, parameters, model.towers.width, temperature, stop) : {}),
        ...(task ? await task.figures(model, { images: encoders, texts: prompts }, parameters, stop) : {}),
      }),
      [Symbol.asyncDispose]: close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
