import { Graph, openSession, type Session, type SessionOptions, type TensorValue } from "@sightline/graph";
import type { ParameterSet } from "../parameter-set.js";
import { TrainSession } from "../train-session.js";
import { adaptedParameters, type AdaptedParameterOptions, type AdaptedParameters } from "../trainable/adapted-parameters.js";
import type { StepFigures, TrainingStep } from "../trainer/training-step.js";
import { TrainingError } from "../training-error.js";
import { chunkFeeds, conversationGraph, type ConversationBatch, type ConversationModel, type ConversationSizes } from "./conversation-model.js";

export interface ConversationStepOptions extends SessionOptions {
  readonly model: ConversationModel;
  readonly adaptation: Omit<AdaptedParameterOptions, "frozen">;
  /** What is held at a time; a batch of more conversations is taken in chunks, with the gradients of the whole. */
  readonly sizes: ConversationSizes;
  /** Seed of the dropout masks. */
  readonly seed: number;
}

/** A step of a projector, and what else is trained with it, under a decoder's loss. */
export class ConversationStep implements TrainingStep<ConversationBatch> {
  readonly gradients: Float32Array;
  readonly #session: TrainSession;
  readonly #options: ConversationStepOptions;
  readonly #dropoutFeeds: AdaptedParameters["dropoutFeeds"];

  private constructor(session: TrainSession, options: ConversationStepOptions, dropoutFeeds: AdaptedParameters["dropoutFeeds"]) {
    this.#session = session;
    this.#options = options;
    this.#dropoutFeeds = dropoutFeeds;
    this.gradients = new Float32Array(session.gradients.length);
  }

  /** Builds tower, projector, decoder and loss as one graph, derives its gradients and opens the session. */
  static async open(options: ConversationStepOptions): Promise<ConversationStep> {
    const { model, adaptation, sizes } = options;
    const graph = new Graph();
    const adapted = adaptedParameters(graph, { ...adaptation, frozen: model.frozen(graph) });
    const { loss, predicted } = conversationGraph(graph, model, sizes, adapted.parameter);
    if (adapted.tensors.size === 0) throw new TrainingError("ConversationStep.open: nothing is trained; train the projector, the decoder or the tower");
    const session = await TrainSession.open({ graph, loss, parameters: adapted.tensors, metrics: { predicted } }, options);
    return new ConversationStep(session, options, adapted.dropoutFeeds);
  }

  /** What is trained. */
  get parameters(): ParameterSet {
    return this.#session.parameters;
  }

  /** The loss is the mean over all learnt tokens of the batch; figures: how many there were, and the share that the decoder would have said. */
  async run(batch: ConversationBatch, signal?: AbortSignal): Promise<StepFigures> {
    const { model, sizes, seed } = this.#options;
    let [loss, weight, right, learnt] = [0, 0, 0, 0];
    this.gradients.fill(0);
    for (let from = 0; from < batch.conversations.length; from += sizes.conversations) {
      signal?.throwIfAborted();
      const { feeds, packed } = await chunkFeeds(model, sizes, batch, from, Math.min(batch.conversations.length, from + sizes.conversations));
      if (packed.weight === 0) continue;
      const step = await this.#session.step({ ...feeds, ...this.#dropoutFeeds(seed, batch.step, from) });
      loss += step.loss * packed.weight;
      weight += packed.weight;
      learnt += packed.starts.at(-1) as number;
      right += rightOnes(step.metrics["predicted"] as TensorValue, packed.feeds.labels, packed.starts.at(-1) as number);
      const own = this.#session.gradients;
      for (let i = 0; i < own.length; i++) this.gradients[i] = (this.gradients[i] as number) + packed.weight * (own[i] as number);
    }
    if (weight === 0) throw new TrainingError("ConversationStep.run: nothing of the batch is learnt");
    for (let i = 0; i < this.gradients.length; i++) this.gradients[i] = (this.gradients[i] as number) / weight;
    return { loss: loss / weight, figures: { tokenAccuracy: right / learnt, answerTokens: learnt } };
  }

  /** Closes the session, after a step under way. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#session[Symbol.asyncDispose]();
  }
}

/** What a decoder makes of conversations that it does not learn from. */
export interface ConversationFigures {
  /** Mean cross-entropy of the learnt tokens, nats. */
  readonly loss: number;
  /** e to the loss. */
  readonly perplexity: number;
  /** Share of the learnt tokens that the decoder would have said, those before being given. */
  readonly tokenAccuracy: number;
  /** Share of conversations of whose answers every token is the likeliest: what greedy decoding would have answered to the letter. */
  readonly exactMatch: number;
}

/** The same model under parameters in training, forward only and without dropout: for evaluation. */
export class ConversationScorer implements AsyncDisposable {
  readonly #session: Session;
  readonly #options: Pick<ConversationStepOptions, "model" | "sizes">;

  private constructor(session: Session, options: Pick<ConversationStepOptions, "model" | "sizes">) {
    this.#session = session;
    this.#options = options;
  }

  /** Builds tower, projector and decoder without gradients, and opens the session. */
  static async open(options: Omit<ConversationStepOptions, "seed">): Promise<ConversationScorer> {
    const { model, adaptation, sizes } = options;
    const graph = new Graph();
    const { lora } = adaptation;
    const adapted = adaptedParameters(graph, { ...adaptation, ...(lora ? { lora: { ...lora, dropout: 0 } } : {}), frozen: model.frozen(graph) });
    const { loss, predicted } = conversationGraph(graph, model, sizes, adapted.parameter);
    graph.output("loss", loss);
    graph.output("predicted", predicted);
    return new ConversationScorer(await openSession(graph, options), options);
  }

  /** @throws TrainingError when nothing is learnt of any conversation */
  async score(parameters: ParameterSet, batch: Omit<ConversationBatch, "step">, signal?: AbortSignal): Promise<ConversationFigures> {
    const { model, sizes } = this.#options;
    let [loss, weight, right, learnt, exact, answered] = [0, 0, 0, 0, 0, 0];
    for (let from = 0; from < batch.conversations.length; from += sizes.conversations) {
      signal?.throwIfAborted();
      const { feeds, packed } = await chunkFeeds(model, sizes, { ...batch, step: 0 }, from, Math.min(batch.conversations.length, from + sizes.conversations));
      if (packed.weight === 0) continue;
      const results = await this.#session.run({ ...parameters.feeds(), ...feeds });
      loss += ((results["loss"] as TensorValue).data[0] as number) * packed.weight;
      weight += packed.weight;
      packed.starts.slice(0, -1).forEach((start, b) => {
        const count = (packed.starts[b + 1] as number) - start;
        if (count === 0) return;
        const hits = rightOnes(results["predicted"] as TensorValue, packed.feeds.labels, count, start);
        learnt += count;
        right += hits;
        answered++;
        if (hits === count) exact++;
      });
    }
    if (weight === 0) throw new TrainingError("ConversationScorer.score: nothing of these conversations is learnt");
    return { loss: loss / weight, perplexity: Math.exp(loss / weight), tokenAccuracy: right / learnt, exactMatch: exact / answered };
  }

  /** Closes the session, after a run under way. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#session[Symbol.asyncDispose]();
  }
}

function rightOnes(predicted: TensorValue, labels: TensorValue, count: number, from = 0): number {
  let right = 0;
  for (let i = from; i < from + count; i++) if (predicted.data[i] === labels.data[i]) right++;
  return right;
}
