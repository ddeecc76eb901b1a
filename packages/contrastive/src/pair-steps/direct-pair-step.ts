import { Graph, type SessionOptions, type Tensor, type TensorValue } from "@sightline/graph";
import type { RowSource } from "../cached/cached-encoder.js";
import { paddedRows } from "../cached/padded-rows.js";
import { ListedLogits } from "../losses/listed-logits.js";
import { normalizeRows } from "../losses/normalized-rows.js";
import { denseLabels, type PairLabels } from "../losses/pair-labels.js";
import type { Temperature } from "../losses/pair-loss.js";
import { presentTemperature, trainedTemperature } from "../losses/trained-temperature.js";
import type { ParameterSet } from "../parameter-set.js";
import { TrainSession } from "../train-session.js";
import { adaptedParameters, type AdaptedParameterOptions, type AdaptedParameters } from "../trainable/adapted-parameters.js";
import type { StepFigures, TrainingStep } from "../trainer/training-step.js";
import { TrainingError } from "../training-error.js";
import { objectiveGraph, type PairObjective } from "./pair-objective.js";
import type { PairStepBatch } from "./pair-step-batch.js";
import { stepFigures } from "./step-figures.js";
import type { Parameter, TwoTowers } from "./two-towers.js";

/** Settings of `DirectPairStep.open`. */
export interface DirectPairOptions extends SessionOptions {
  readonly towers: TwoTowers;
  readonly adaptation: Omit<AdaptedParameterOptions, "frozen">;
  readonly objective: PairObjective;
  /** Images, and texts, of a batch at most. */
  readonly batchSize: number;
  /** t' and b where they stay as they are. */
  readonly fixedTemperature?: Partial<Temperature>;
  /** Seed of the dropout masks. */
  readonly seed: number;
}

/**
 * Both towers and the loss in one graph: one forward and one backward pass, with the activations of the whole batch held
 * in between. The fastest step for batches that fit; `CachedPairStep` takes any.
 */
export class DirectPairStep implements TrainingStep<PairStepBatch> {
  readonly #session: TrainSession;
  readonly #options: DirectPairOptions;
  readonly #dropoutFeeds: AdaptedParameters["dropoutFeeds"];

  private constructor(session: TrainSession, options: DirectPairOptions, dropoutFeeds: AdaptedParameters["dropoutFeeds"]) {
    this.#session = session;
    this.#options = options;
    this.#dropoutFeeds = dropoutFeeds;
  }

  /** Builds both towers and the loss as one graph, derives its gradients and opens the session. Throws GraphError or WeightsError for towers that do not fit their weights. */
  static async open(options: DirectPairOptions): Promise<DirectPairStep> {
    const { towers, adaptation, objective, batchSize, fixedTemperature } = options;
    const graph = new Graph();
    const adapted = adaptedParameters(graph, { ...adaptation, frozen: towers.frozen(graph) });
    const images = towers.images(graph, batchSize, adapted.parameter);
    const texts = towers.texts(graph, batchSize, adapted.parameter);
    const tensors = new Map(adapted.tensors);
    const temperature = temperatureParameter(graph, tensors, fixedTemperature);
    const labels = graph.input("labels", "float32", [batchSize, batchSize]);
    const loss = objectiveGraph(objective, images, texts, labels, temperature("logit_scale", [1]), temperature("logit_bias", [1]));
    const session = await TrainSession.open({ graph, loss, parameters: tensors, metrics: { images, texts } }, options);
    return new DirectPairStep(session, options, adapted.dropoutFeeds);
  }

  /** What is trained. */
  get parameters(): ParameterSet {
    return this.#session.parameters;
  }

  get gradients(): Float32Array {
    return this.#session.gradients;
  }

  async run({ images, texts, labels, step }: PairStepBatch): Promise<StepFigures> {
    const { batchSize, seed, towers } = this.#options;
    if (images.count !== labels.images || texts.count !== labels.texts || images.count > batchSize || texts.count > batchSize) {
      throw new TrainingError(`DirectPairStep.run: expected at most ${batchSize} images and texts, as many as the labels have (${labels.images}, ${labels.texts}), got ${images.count} and ${texts.count}`);
    }
    const feeds = { ...(await allRows(images, batchSize)), ...(await allRows(texts, batchSize)), labels: this.#labels(labels), ...this.#dropoutFeeds(seed, step) };
    const before = presentTemperature(this.parameters, this.#options.fixedTemperature);
    const { loss, metrics } = await this.#session.step(feeds);
    const rows = (name: "images" | "texts", count: number): Float32Array =>
      normalizeRows(((metrics[name] as TensorValue).data as Float32Array).subarray(0, count * towers.width), towers.width).rows;
    const logits = new ListedLogits(rows("images", images.count), rows("texts", texts.count), towers.width, labels, Math.exp(before.logitScale), before.logitBias);
    return { loss, figures: stepFigures(before, logits.meanLogits()) };
  }

  /** Closes the session, after a step under way. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#session[Symbol.asyncDispose]();
  }

  /** Rows that pad a smaller batch have labels of 0, and so do not count; the graph divides by the full size. */
  #labels(labels: PairLabels): TensorValue {
    const { batchSize, objective } = this.#options;
    const shape = [batchSize, batchSize];
    const dense = denseLabels(labels);
    if (labels.images === batchSize && labels.texts === batchSize) return { dtype: "float32", shape, data: dense };
    const data = new Float32Array(batchSize * batchSize);
    const factor = objective.type === "sigmoid" ? batchSize / labels.images : 1;
    for (let i = 0; i < labels.images; i++) {
      for (let j = 0; j < labels.texts; j++) data[i * batchSize + j] = factor * (dense[i * labels.texts + j] as number);
    }
    return { dtype: "float32", shape, data };
  }
}

/** t' and b as parameters that are added to `trained`, or as constants where they are fixed. */
function temperatureParameter(graph: Graph, trained: Map<string, Tensor>, fixed: Partial<Temperature> = {}): Parameter {
  const trains = trainedTemperature(fixed);
  return (name, shape) => {
    if (!trains.includes(name as "logit_scale")) return graph.weight(name, "float32", shape, Float32Array.of((name === "logit_scale" ? fixed.logitScale : fixed.logitBias) as number));
    const tensor = graph.input(name, "float32", shape);
    trained.set(name, tensor);
    return tensor;
  };
}

async function allRows(source: RowSource, count: number): Promise<Record<string, TensorValue>> {
  const rows = await source.rows(0, source.count);
  return Object.fromEntries(Object.entries(rows).map(([name, value]) => [name, paddedRows(value, count)]));
}
