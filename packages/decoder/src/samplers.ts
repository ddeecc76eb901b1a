import { randomInt } from "node:crypto";
import { DecoderError } from "./decoder-error.js";
import type { Llama, Pointer } from "./native-bindings.js";
import type { Prompt } from "./segments.js";

/** How the next token is chosen. Without any of these: the most likely one. */
export interface SamplingOptions {
  /** 0 takes the most likely token. Default: 1 when topK, topP or minP is given, else 0. */
  readonly temperature?: number;
  /** Keep the K most likely tokens. Default: all. */
  readonly topK?: number;
  /** Keep the most likely tokens that together reach this probability, 0 to 1. Default 1: all. */
  readonly topP?: number;
  /** Keep tokens at least this times as likely as the most likely one, 0 to 1. Default 0: all. */
  readonly minP?: number;
  /** Divide the odds of recent tokens by this, > 0. Default 1: off. */
  readonly repeatPenalty?: number;
  /** How many recent tokens, of the prompt too, are penalised. Default 64. */
  readonly repeatLastN?: number;
  /** 0 to 4294967294; the same seed gives the same text. Default: random. */
  readonly seed?: number;
}

/** Every field set and checked. */
export type Sampling = Required<SamplingOptions>;

/** llama.cpp reads this seed as "choose one". */
const noSeed = 0xffffffff;

/** Throws DecoderError `bad-option`. */
export function resolveSampling(options: SamplingOptions = {}): Sampling {
  const check = (name: keyof SamplingOptions, holds: (value: number) => boolean, expected: string): void => {
    const value: unknown = options[name];
    if (value === undefined) return;
    if (typeof value !== "number" || !Number.isFinite(value) || !holds(value)) {
      throw new DecoderError("bad-option", `generate: sampling.${name}: expected ${expected}, got ${String(value)}`);
    }
  };
  check("temperature", (t) => t >= 0, "a number from 0 up");
  check("topK", (k) => Number.isInteger(k) && k >= 1 && k <= 0x7fffffff, "an integer from 1 up");
  check("topP", (p) => p > 0 && p <= 1, "a number above 0, up to 1");
  check("minP", (p) => p >= 0 && p <= 1, "a number from 0 to 1");
  check("repeatPenalty", (r) => r > 0, "a number above 0");
  check("repeatLastN", (n) => Number.isInteger(n) && n >= 0 && n <= 65536, "an integer from 0 to 65536");
  check("seed", (s) => Number.isInteger(s) && s >= 0 && s < noSeed, `an integer from 0 to ${noSeed - 1}`);
  const narrowed = options.topK !== undefined || options.topP !== undefined || options.minP !== undefined;
  return {
    temperature: options.temperature ?? (narrowed ? 1 : 0),
    topK: options.topK ?? 0,
    topP: options.topP ?? 1,
    minP: options.minP ?? 0,
    repeatPenalty: options.repeatPenalty ?? 1,
    repeatLastN: options.repeatLastN ?? 64,
    seed: options.seed ?? randomInt(noSeed),
  };
}

/** A chain of llama.cpp's own samplers, in the order of its command line tools. */
export class SamplerChain {
  readonly #llama: Llama;
  #chain: Pointer | undefined;

  /** @param prompt its last `repeatLastN` tokens count as said already */
  constructor(llama: Llama, vocabularySize: number, sampling: Sampling, prompt: Prompt) {
    this.#llama = llama;
    const chain = llama.sampler_chain_init({ ...llama.sampler_chain_default_params(), no_perf: true });
    this.#chain = chain;
    const add = (sampler: Pointer): void => llama.sampler_chain_add(chain, sampler);
    const penalises = sampling.repeatPenalty !== 1 && sampling.repeatLastN > 0;
    if (penalises) add(llama.sampler_init_penalties(vocabularySize, sampling.repeatLastN, sampling.repeatPenalty, 0, 0));
    if (sampling.temperature === 0) {
      add(llama.sampler_init_greedy());
    } else {
      if (sampling.topK > 0) add(llama.sampler_init_top_k(sampling.topK));
      if (sampling.topP < 1) add(llama.sampler_init_top_p(sampling.topP, 1));
      if (sampling.minP > 0) add(llama.sampler_init_min_p(sampling.minP, 1));
      add(llama.sampler_init_temp(sampling.temperature));
      add(llama.sampler_init_dist(sampling.seed));
    }
    if (penalises) {
      const recent = prompt.runs.flatMap((run) => (run.type === "tokens" ? [...run.tokens.subarray(-sampling.repeatLastN)] : []));
      for (const token of recent.slice(-sampling.repeatLastN)) llama.sampler_accept(chain, token);
    }
  }

  /** Chooses a token from the last logits of the context's last decode, and remembers it. */
  sample(context: Pointer): number {
    if (this.#chain === undefined) throw new DecoderError("disposed", "SamplerChain: used after dispose");
    return this.#llama.sampler_sample(this.#chain, context, -1);
  }

  [Symbol.dispose](): void {
    if (this.#chain === undefined) return;
    this.#llama.sampler_free(this.#chain);
    this.#chain = undefined;
  }
}
