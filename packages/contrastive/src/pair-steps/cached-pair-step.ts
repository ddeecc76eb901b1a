import { Graph, type SessionOptions, type TensorValue } from "@sightline/graph";
import type { EncoderGraph, RowSource } from "../cached/cached-encoder.js";
import { CachedPairSession } from "../cached/cached-pair-session.js";
import type { PairEmbeddings, PairLossResult, Temperature } from "../losses/pair-loss.js";
import { presentTemperature } from "../losses/trained-temperature.js";
import type { ParameterSet } from "../parameter-set.js";
import { adaptedParameters, type AdaptedParameterOptions, type AdaptedParameters } from "../trainable/adapted-parameters.js";
import type { StepFigures, TrainingStep } from "../trainer/training-step.js";
import type { PairStepBatch } from "./pair-step-batch.js";
import { stepFigures } from "./step-figures.js";
import type { TwoTowers } from "./two-towers.js";

/** A loss that sees the whole batch, and over which processes it may reach. */
export type BatchLoss = (embeddings: PairEmbeddings, batch: PairStepBatch, temperature: Temperature) => PairLossResult | Promise<PairLossResult>;

/** Settings of `CachedPairStep.open`. */
export interface CachedPairStepOptions extends SessionOptions {
  readonly towers: TwoTowers;
  readonly adaptation: Omit<AdaptedParameterOptions, "frozen">;
  readonly loss: BatchLoss;
  /** Images whose activations are held at a time. */
  readonly imageChunk: number;
  /** Texts whose activations are held at a time. */
  readonly textChunk: number;
  /** t' and b where they stay as they are. */
  readonly fixedTemperature?: Partial<Temperature>;
  /** Seed of the dropout masks. */
  readonly seed: number;
}

/** A step over a batch of any size, with the exact gradients of the whole batch; see `CachedPairSession`. */
export class CachedPairStep implements TrainingStep<PairStepBatch> {
  readonly #session: CachedPairSession;
  readonly #dropoutFeeds: Readonly<Record<"image" | "text", AdaptedParameters["dropoutFeeds"]>>;
  readonly #seed: number;
  readonly #current: { batch?: PairStepBatch };
  readonly #fixed: Partial<Temperature>;

  private constructor(session: CachedPairSession, current: { batch?: PairStepBatch }, dropoutFeeds: Readonly<Record<"image" | "text", AdaptedParameters["dropoutFeeds"]>>, options: CachedPairStepOptions) {
    this.#session = session;
    this.#current = current;
    this.#dropoutFeeds = dropoutFeeds;
    this.#seed = options.seed;
    this.#fixed = options.fixedTemperature ?? {};
  }

  /** Builds both towers twice and opens their sessions. Throws GraphError or WeightsError for towers that do not fit their weights. */
  static async open(options: CachedPairStepOptions): Promise<CachedPairStep> {
    const { towers, adaptation, loss, imageChunk, textChunk } = options;
    const dropoutFeeds: Record<"image" | "text", AdaptedParameters["dropoutFeeds"]> = { image: () => ({}), text: () => ({}) };
    const build = (tower: "image" | "text") => (): EncoderGraph => {
      const graph = new Graph();
      const adapted = adaptedParameters(graph, { ...adaptation, frozen: towers.frozen(graph) });
      const embeddings = tower === "image" ? towers.images(graph, imageChunk, adapted.parameter) : towers.texts(graph, textChunk, adapted.parameter);
      dropoutFeeds[tower] = adapted.dropoutFeeds;
      return { graph, embeddings, parameters: adapted.tensors };
    };
    const current: { batch?: PairStepBatch } = {};
    const session = await CachedPairSession.open({
      ...options,
      images: build("image"),
      texts: build("text"),
      loss: (embeddings, _labels, temperature) => loss(embeddings, current.batch as PairStepBatch, temperature),
    });
    return new CachedPairStep(session, current, dropoutFeeds, options);
  }

  /** What is trained. */
  get parameters(): ParameterSet {
    return this.#session.parameters;
  }

  get gradients(): Float32Array {
    return this.#session.gradients;
  }

  async run(batch: PairStepBatch, signal?: AbortSignal): Promise<StepFigures> {
    this.#current.batch = batch;
    const temperature = presentTemperature(this.parameters, this.#fixed);
    const { loss, ...logits } = await this.#session.step({
      images: this.#withDropout("image", batch.images, batch.step),
      texts: this.#withDropout("text", batch.texts, batch.step),
      labels: batch.labels,
      ...(signal ? { signal } : {}),
    });
    return { loss, figures: stepFigures(temperature, logits) };
  }

  /** Closes the sessions, after a step under way. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#session[Symbol.asyncDispose]();
  }

  /** Masks hang on the chunk's first row, so that a chunk that runs again has the same. */
  #withDropout(tower: "image" | "text", source: RowSource, step: number): RowSource {
    return {
      count: source.count,
      rows: async (from, to): Promise<Record<string, TensorValue>> => ({ ...(await source.rows(from, to)), ...this.#dropoutFeeds[tower](this.#seed, step, from) }),
    };
  }
}
