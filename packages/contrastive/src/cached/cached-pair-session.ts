import type { SessionOptions } from "@sightline/graph";
import type { PairLabels } from "../losses/pair-labels.js";
import type { PairLoss, PairLossResult, Temperature } from "../losses/pair-loss.js";
import { presentTemperature, trainedTemperature } from "../losses/trained-temperature.js";
import { ParameterSet } from "../parameter-set.js";
import { TrainingError } from "../training-error.js";
import { CachedEncoder, type EncoderGraph, type RowSource } from "./cached-encoder.js";

/** Settings of `CachedPairSession.open`. */
export interface CachedPairOptions extends SessionOptions {
  /** The image tower on one chunk; called twice. */
  readonly images: () => EncoderGraph;
  /** The text tower on one chunk; its chunk may be of another size. */
  readonly texts: () => EncoderGraph;
  /** `ChunkedSigmoidLoss`, `sigmoidPairLoss`, `softmaxPairLoss` or another. */
  readonly loss: PairLoss;
  /** t' and b where they stay as they are; what is left out is a parameter, `logit_scale` or `logit_bias`. */
  readonly fixedTemperature?: Partial<Temperature>;
}

/** A batch of any size. */
export interface PairBatch {
  readonly images: RowSource;
  readonly texts: RowSource;
  readonly labels: PairLabels;
  readonly signal?: AbortSignal;
}

/** The figures of a step; the gradients are in the session. */
export type CachedStepResult = Pick<PairLossResult, "loss" | "meanPositiveLogit" | "meanNegativeLogit">;

/**
 * Forward and backward pass of two towers under a contrastive loss of a batch that need not fit: all rows are embedded
 * chunk by chunk, the loss gives the gradients of the embeddings, and each chunk is run again to take them to the
 * parameters (Gao et al. 2021). Unlike gradients summed over small batches, these are those of the whole batch.
 */
export class CachedPairSession implements AsyncDisposable {
  readonly parameters: ParameterSet;
  /** float32, laid out like the parameters; holds the gradients of the last step. */
  readonly gradients: Float32Array;
  readonly #images: CachedEncoder;
  readonly #texts: CachedEncoder;
  readonly #options: CachedPairOptions;

  private constructor(images: CachedEncoder, texts: CachedEncoder, options: CachedPairOptions) {
    const temperature = trainedTemperature(options.fixedTemperature).map((name) => [name, [1]] as const);
    this.parameters = new ParameterSet(new Map([...images.shapes, ...texts.shapes, ...temperature]));
    this.gradients = new Float32Array(this.parameters.values.length);
    this.#images = images;
    this.#texts = texts;
    this.#options = options;
  }

  /** @throws TrainingError when the towers' embeddings differ in width */
  static async open(options: CachedPairOptions): Promise<CachedPairSession> {
    const images = await CachedEncoder.open(options.images, options);
    const texts = await CachedEncoder.open(options.texts, options);
    if (images.width !== texts.width) {
      await Promise.all([images[Symbol.asyncDispose](), texts[Symbol.asyncDispose]()]);
      throw new TrainingError(`CachedPairSession.open: expected embeddings of one width, got images ${images.width} and texts ${texts.width} wide`);
    }
    return new CachedPairSession(images, texts, options);
  }

  /**
   * One pass over a batch; the gradients are then in `gradients`.
   * @throws TrainingError when the loss is not a finite number or the labels do not fit the batch
   */
  async step({ images, texts, labels, signal }: PairBatch): Promise<CachedStepResult> {
    if (images.count !== labels.images || texts.count !== labels.texts) {
      throw new TrainingError(`CachedPairSession.step: expected ${labels.images} images and ${labels.texts} texts by the labels, got ${images.count} and ${texts.count}`);
    }
    const embeddings = {
      width: this.#images.width,
      images: await this.#images.embed(this.parameters, images, signal),
      texts: await this.#texts.embed(this.parameters, texts, signal),
    };
    const result = await this.#options.loss(embeddings, labels, presentTemperature(this.parameters, this.#options.fixedTemperature));
    if (!Number.isFinite(result.loss)) throw new TrainingError(`CachedPairSession.step: the loss is ${result.loss}`);
    this.gradients.fill(0);
    await this.#images.backward(this.parameters, images, result.imageGradients, this.gradients, signal);
    await this.#texts.backward(this.parameters, texts, result.textGradients, this.gradients, signal);
    const temperatureGradients = { logit_scale: result.logitScaleGradient, logit_bias: result.logitBiasGradient };
    for (const name of trainedTemperature(this.#options.fixedTemperature)) this.parameters.view(this.gradients, name)[0] = temperatureGradients[name];
    const { loss, meanPositiveLogit, meanNegativeLogit } = result;
    return { loss, meanPositiveLogit, meanNegativeLogit };
  }

  /** Closes both towers' sessions, after runs under way. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#images[Symbol.asyncDispose]();
    await this.#texts[Symbol.asyncDispose]();
  }
}
