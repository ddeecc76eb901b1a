import { Graph, type SessionOptions } from "@sightline/graph";
import { CachedEncoder, type EncoderGraph, type RowSource } from "../cached/cached-encoder.js";
import { ParameterSet } from "../parameter-set.js";
import { adaptedParameters, type AdaptedParameterOptions } from "../trainable/adapted-parameters.js";
import type { LoraOptions } from "../trainable/lora.js";
import type { TwoTowers } from "./two-towers.js";

/** Settings of `PairEncoders.open`. */
export interface PairEncoderOptions extends SessionOptions {
  readonly towers: TwoTowers;
  readonly adaptation: Omit<AdaptedParameterOptions, "frozen">;
  /** Rows of a run. */
  readonly chunk: number;
}

/** Both towers under parameters in training, forward only and without dropout: for evaluation. */
export class PairEncoders implements AsyncDisposable {
  readonly #images: CachedEncoder;
  readonly #texts: CachedEncoder;

  private constructor(images: CachedEncoder, texts: CachedEncoder) {
    this.#images = images;
    this.#texts = texts;
  }

  /** Builds both towers for evaluation and opens their sessions. */
  static async open(options: PairEncoderOptions): Promise<PairEncoders> {
    const { towers, adaptation, chunk } = options;
    const build = (tower: "images" | "texts") => (): EncoderGraph => {
      const graph = new Graph();
      const adapted = adaptedParameters(graph, { ...adaptation, ...withoutDropout(adaptation.lora), frozen: towers.frozen(graph) });
      return { graph, embeddings: towers[tower](graph, chunk, adapted.parameter), parameters: adapted.tensors };
    };
    const images = await CachedEncoder.open(build("images"), options, { backward: false });
    return new PairEncoders(images, await CachedEncoder.open(build("texts"), options, { backward: false }));
  }

  /** Parameters of both towers, all 0, for the time before there is a step. */
  newParameters(): ParameterSet {
    return new ParameterSet(new Map([...this.#images.shapes, ...this.#texts.shapes]));
  }

  /** float32[N, D] */
  embed(tower: "image" | "text", parameters: ParameterSet, source: RowSource, signal?: AbortSignal): Promise<Float32Array> {
    return (tower === "image" ? this.#images : this.#texts).embed(parameters, source, signal);
  }

  /** Closes the sessions, after runs under way. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#images[Symbol.asyncDispose]();
    await this.#texts[Symbol.asyncDispose]();
  }
}

function withoutDropout(lora: LoraOptions | undefined): { readonly lora?: LoraOptions } {
  return lora ? { lora: { ...lora, dropout: 0 } } : {};
}
