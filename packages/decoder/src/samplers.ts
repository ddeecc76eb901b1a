import { DecoderError } from "./decoder-error.js";
import { GrammarSampler } from "./grammar-sampler.js";
import { addressOf, floatsAt, zeroTerminated, type Llama, type Pointer } from "./native-bindings.js";
import { int32View } from "./native-sampling.js";
import type { DryOptions, Sampling } from "./sampling-options.js";
import type { Prompt } from "./segments.js";
import { tokenLogprob, type GeneratedTokenLogprob } from "./token-logprobs.js";
import type { Vocabulary } from "./vocabulary.js";
import { callOnWorker } from "./worker-call.js";

/** What a chain is made of. */
export interface ChainParts {
  readonly llama: Llama;
  readonly vocabulary: Vocabulary;
  readonly sampling: Sampling;
  /** Its last tokens count as said already. */
  readonly prompt: Prompt;
  /** What the text must be; checked by `checkGrammar`. */
  readonly grammar?: string | undefined;
  /** How many of the most likely tokens are noted beside each chosen one; not even that one when left out. */
  readonly topLogprobs?: number | undefined;
}

/** Tokens that mirostat 1 estimates the distribution's shape from, as llama.cpp's programs set it. */
const mirostatTokens = 100;

/** A chain of llama.cpp's own samplers, in the order of its `common_sampler`. */
export class SamplerChain {
  /** The log-probabilities at the last `sample`, where they were asked for. */
  logprob: GeneratedTokenLogprob | undefined;
  /** Whether it takes the greatest logit as they come, and so needs no look at them before: it never sorts. */
  readonly onlyCompares: boolean;
  readonly #llama: Llama;
  readonly #vocabulary: Vocabulary;
  readonly #topLogprobs: number | undefined;
  readonly #grammar: GrammarSampler | undefined;
  #chain: Pointer | undefined;

  /**
   * @throws DecoderError `bad-option` for a logit bias that names no token or bans them all, and for a grammar that llama.cpp does not take
   */
  static async create(parts: ChainParts): Promise<SamplerChain> {
    // The search for a vocabulary's sequence breakers can take a second.
    const dry = parts.sampling.dry === undefined ? undefined : await drySampler(parts.llama, parts.vocabulary, parts.sampling.dry);
    return new SamplerChain(parts, dry);
  }

  private constructor({ llama, vocabulary, sampling, prompt, grammar, topLogprobs }: ChainParts, dry: Pointer | undefined) {
    this.#llama = llama;
    this.#vocabulary = vocabulary;
    this.#topLogprobs = topLogprobs;
    const chain = llama.sampler_chain_init({ ...llama.sampler_chain_default_params(), no_perf: true });
    this.#chain = chain;
    try {
      const biases = mergeBiases(llama, vocabulary, sampling.logitBias);
      if (biases.size > 0) llama.sampler_chain_add(chain, llama.sampling.logitBias(vocabulary.size, biases.size, nativeBiases(biases)));
      this.onlyCompares = biases.size === 0 && grammar === undefined && topLogprobs === undefined && isPlainlyGreedy(sampling);
      const remembered = sampling.mirostat === undefined ? addSteps(llama, chain, vocabulary.size, sampling, dry) : addMirostat(llama, chain, vocabulary.size, sampling);
      if (remembered > 0) {
        const recent = prompt.runs.flatMap((run) => (run.type === "tokens" ? [...run.tokens.subarray(-remembered)] : []));
        for (const token of recent.slice(-remembered)) llama.sampler_accept(chain, token);
      }
      const banned = [...biases].flatMap(([id, bias]) => (bias === Number.NEGATIVE_INFINITY ? [id] : []));
      this.#grammar = grammar === undefined ? undefined : new GrammarSampler(llama, vocabulary, grammar, banned);
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  /**
   * Chooses a token from the logits of a row of the context's last decode, and remembers it.
   * @param logits where these logits are, `float32[V]`; may be left out where it `onlyCompares`
   */
  sample(context: Pointer, row: number, logits?: Pointer): number {
    if (this.#chain === undefined) throw new DecoderError("disposed", "SamplerChain: used after dispose");
    if (logits === undefined || (this.#grammar === undefined && this.#topLogprobs === undefined)) return this.#llama.sampler_sample(this.#chain, context, row);
    const values = floatsAt(logits, this.#vocabulary.size);
    const token = this.#grammar === undefined ? this.#llama.sampler_sample(this.#chain, context, row) : this.#grammar.sample(this.#chain, values);
    if (this.#topLogprobs !== undefined) this.logprob = tokenLogprob(this.#vocabulary, values, token, this.#topLogprobs);
    return token;
  }

  [Symbol.dispose](): void {
    this.#grammar?.[Symbol.dispose]();
    if (this.#chain === undefined) return;
    this.#llama.sampler_free(this.#chain);
    this.#chain = undefined;
  }
}

/** Nothing but the choice of the greatest logit. */
function isPlainlyGreedy(sampling: Sampling): boolean {
  const { temperature, topK, topP, minP, typicalP, topNSigma, xtc, dry, repeatPenalty, frequencyPenalty, presencePenalty } = sampling;
  const keepsAll = topK === 0 && topP === 1 && minP === 0 && typicalP === 1 && topNSigma === 0 && xtc === undefined;
  return temperature === 0 && keepsAll && dry === undefined && repeatPenalty === 1 && frequencyPenalty === 0 && presencePenalty === 0;
}

/** Everything but mirostat; returns how many of the prompt's last tokens the steps look at. */
function addSteps(llama: Llama, chain: Pointer, vocabularySize: number, sampling: Sampling, dry: Pointer | undefined): number {
  const { temperature, minKeep, repeatPenalty, frequencyPenalty, presencePenalty, repeatLastN, topNSigma, topK, typicalP, topP, minP, xtc, seed } = sampling;
  const more = llama.sampling;
  const add = (sampler: Pointer): void => llama.sampler_chain_add(chain, sampler);
  const penalises = repeatLastN > 0 && (repeatPenalty !== 1 || frequencyPenalty !== 0 || presencePenalty !== 0);
  if (penalises) add(llama.sampler_init_penalties(vocabularySize, repeatLastN, repeatPenalty, frequencyPenalty, presencePenalty));
  if (dry !== undefined) add(dry);
  if (topNSigma > 0) add(more.topNSigma(topNSigma));
  if (topK > 0) add(llama.sampler_init_top_k(topK));
  if (typicalP < 1) add(more.typical(typicalP, minKeep));
  if (topP < 1) add(llama.sampler_init_top_p(topP, minKeep));
  if (minP > 0) add(llama.sampler_init_min_p(minP, minKeep));
  if (xtc !== undefined) add(more.xtc(xtc.probability, xtc.threshold, minKeep, seed));
  if (temperature === 0) {
    add(llama.sampler_init_greedy());
  } else {
    if (sampling.dynamicTemperature === undefined) add(llama.sampler_init_temp(temperature));
    else add(more.tempExt(temperature, sampling.dynamicTemperature.range, sampling.dynamicTemperature.exponent));
    if (sampling.adaptiveP === undefined) add(llama.sampler_init_dist(seed));
    else add(more.adaptiveP(sampling.adaptiveP.target, sampling.adaptiveP.decay, seed));
  }
  return Math.max(penalises ? repeatLastN : 0, sampling.dry?.lastN ?? 0);
}

function addMirostat(llama: Llama, chain: Pointer, vocabularySize: number, { temperature, mirostat, seed }: Sampling): number {
  if (mirostat === undefined) return 0;
  llama.sampler_chain_add(chain, llama.sampler_init_temp(temperature));
  const { version, tau, eta } = mirostat;
  llama.sampler_chain_add(chain, version === 1 ? llama.sampling.mirostat(vocabularySize, seed, tau, eta, mirostatTokens) : llama.sampling.mirostatV2(seed, tau, eta));
  return 0;
}

function drySampler(llama: Llama, vocabulary: Vocabulary, dry: Required<DryOptions>): Promise<Pointer> {
  const texts = dry.sequenceBreakers.map((text) => Uint8Array.from(zeroTerminated(text)));
  const lengths = texts.reduce((sum, text) => sum + text.length, 0);
  const bytes = new Uint8Array(new ArrayBuffer(lengths + 1));
  const pointers = new BigUint64Array(new ArrayBuffer((texts.length + 1) * 8));
  let at = 0;
  texts.forEach((text, i) => {
    bytes.set(text, at);
    pointers[i] = addressOf(bytes) + BigInt(at);
    at += text.length;
  });
  const made = callOnWorker(llama.sampling.dry, vocabulary.native, dry.multiplier, dry.base, dry.allowedLength, dry.lastN, pointers, texts.length);
  // The strings must live as long as the call.
  return made.finally(() => bytes.byteLength);
}

/** The caller's biases and the model's own list of tokens that must not be generated. */
function mergeBiases(llama: Llama, vocabulary: Vocabulary, given: ReadonlyMap<number, number>): ReadonlyMap<number, number> {
  const biases = new Map(given);
  for (const id of biases.keys()) {
    if (id >= vocabulary.size) throw new DecoderError("bad-option", `generate: sampling.logitBias: expected token ids from 0 to ${vocabulary.size - 1}, got ${id}`);
  }
  const count = new Int32Array(new ArrayBuffer(4));
  const suppressed = llama.sampling.suppressedTokens(vocabulary.native, count);
  if (suppressed !== null && count[0] !== undefined && count[0] > 0) {
    for (const id of int32View(suppressed, count[0])) if (id >= 0 && id < vocabulary.size) biases.set(id, Number.NEGATIVE_INFINITY);
  }
  let banned = 0;
  for (const bias of biases.values()) if (bias === Number.NEGATIVE_INFINITY) banned++;
  if (banned === vocabulary.size) throw new DecoderError("bad-option", `generate: sampling.logitBias: expected at least one token that is allowed, got all ${banned} banned`);
  return biases;
}

/** `llama_logit_bias[]`: id and bias, 4 bytes each. */
function nativeBiases(biases: ReadonlyMap<number, number>): Uint8Array {
  const view = new DataView(new ArrayBuffer(biases.size * 8));
  let at = 0;
  for (const [id, bias] of biases) {
    view.setInt32(at, id, true);
    view.setFloat32(at + 4, bias, true);
    at += 8;
  }
  return new Uint8Array(view.buffer);
}
