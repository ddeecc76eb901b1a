import { silentTokenBits } from "./abi/llama-v0.4.0-sampling.js";
import { Candidates } from "./candidates.js";
import { DecoderError } from "./decoder-error.js";
import { zeroTerminated, type Llama, type Pointer } from "./native-bindings.js";
import type { Vocabulary } from "./vocabulary.js";

/** Vocabulary -> its tokens without text, but those that end a generation. */
const silentTokens = new WeakMap<Vocabulary, readonly number[]>();

/**
 * A chain of samplers held to a grammar, as llama.cpp's `common_sampler_sample` does it: the chain chooses first, and only
 * if the grammar forbids its choice, every token is asked and the chain chooses again among those allowed. For most tokens
 * that saves asking the grammar about a whole vocabulary.
 */
export class GrammarSampler {
  readonly #llama: Llama;
  readonly #vocabulary: Vocabulary;
  readonly #candidates: Candidates;
  readonly #forbidden: ReadonlySet<number>;
  #grammar: Pointer | undefined;

  /**
   * @param grammar checked by `checkGrammar`
   * @param banned tokens that the chain never chooses
   * @throws DecoderError `bad-option` when llama.cpp does not take the grammar
   */
  constructor(llama: Llama, vocabulary: Vocabulary, grammar: string, banned: Iterable<number>) {
    this.#llama = llama;
    this.#vocabulary = vocabulary;
    this.#candidates = new Candidates(vocabulary.size);
    // llama.cpp matches a control token by its spelling, though it gives no text.
    this.#forbidden = new Set([...banned, ...silentTokensOf(vocabulary)]);
    const native = llama.sampling.grammar(vocabulary.native, zeroTerminated(grammar), zeroTerminated("root"));
    if (native === null) throw new DecoderError("bad-option", "generate: grammar: llama.cpp does not take this grammar; it says why on the standard error");
    this.#grammar = native;
  }

  /**
   * Chooses a token, and remembers it in grammar and chain.
   * @param logits `float32[V]`
   * @throws DecoderError `no-token-fits` when the grammar expects text that no allowed token begins
   */
  sample(chain: Pointer, logits: Float32Array): number {
    if (this.#grammar === undefined) throw new DecoderError("disposed", "GrammarSampler: used after dispose");
    const { sampling, sampler_accept: accept } = this.#llama;
    const candidates = this.#candidates;
    candidates.fill(logits, this.#forbidden);
    sampling.apply(chain, candidates.native);
    let token = candidates.selected;
    if (this.#forbidden.has(token) || !this.#allows(this.#grammar, token)) {
      candidates.fill(logits, this.#forbidden);
      sampling.apply(this.#grammar, candidates.native);
      if (!this.#anyLeft()) {
        throw new DecoderError("no-token-fits", "generate: no token of the vocabulary continues the grammar here; does logitBias ban what it needs?");
      }
      sampling.apply(chain, candidates.native);
      token = candidates.selected;
      // A token that the grammar forbids would end the process when it is accepted.
      if (this.#forbidden.has(token) || !this.#allows(this.#grammar, token)) {
        throw new DecoderError("no-token-fits", "generate: the sampling options leave no token that continues the grammar here");
      }
    }
    accept(this.#grammar, token);
    accept(chain, token);
    return token;
  }

  [Symbol.dispose](): void {
    if (this.#grammar === undefined) return;
    this.#llama.sampler_free(this.#grammar);
    this.#grammar = undefined;
  }

  #allows(grammar: Pointer, token: number): boolean {
    if (token < 0 || token >= this.#vocabulary.size) return false;
    this.#candidates.only(token);
    this.#llama.sampling.apply(grammar, this.#candidates.native);
    return this.#candidates.logit(0) !== Number.NEGATIVE_INFINITY;
  }

  #anyLeft(): boolean {
    for (let id = 0; id < this.#vocabulary.size; id++) if (this.#candidates.logit(id) > Number.NEGATIVE_INFINITY) return true;
    return false;
  }
}

function silentTokensOf(vocabulary: Vocabulary): readonly number[] {
  let silent = silentTokens.get(vocabulary);
  if (silent === undefined) {
    const found: number[] = [];
    for (let id = 0; id < vocabulary.size; id++) {
      if (!vocabulary.endsGeneration(id) && (vocabulary.attributes(id) & silentTokenBits) !== 0) found.push(id);
    }
    silent = found;
    silentTokens.set(vocabulary, silent);
  }
  return silent;
}
