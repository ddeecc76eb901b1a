import { CacheContents } from "./cache-contents.js";
import type { DecodeLoop, Lane } from "./decode-loop.js";
import { DecoderError } from "./decoder-error.js";
import { generateText } from "./generate-text.js";
import { checkGrammar } from "./gbnf/check-grammar.js";
import { jsonSchemaGrammar } from "./gbnf/json-schema-grammar.js";
import { GenerationStream, type GenerateOptions, type Generation } from "./generation.js";
import type { Llama } from "./native-bindings.js";
import { SamplerChain } from "./samplers.js";
import { resolveSampling } from "./sampling-options.js";
import { readSegments, type Prompt, type Segment } from "./segments.js";
import type { Vocabulary } from "./vocabulary.js";

/** What a sequence uses of its decoder. */
export interface SequenceHost {
  readonly llama: Llama;
  readonly loop: DecodeLoop;
  readonly vocabulary: Vocabulary;
  readonly embeddingWidth: number;
  readonly takesEmbeddings: boolean;
  readonly contextLength: number;
  /** Called once, when the sequence is disposed and idle: its slot may be given to another. */
  readonly release: (sequence: Sequence) => void;
}

/**
 * One conversation: a slot of the KV cache that remembers what it holds. A prompt that begins like the one before is
 * decoded only from the first difference on.
 */
export class Sequence implements Disposable {
  readonly #host: SequenceHost;
  readonly #lane: Lane;
  #running: Promise<unknown> | undefined;
  #disposed = false;

  /** @internal Sequences come from Decoder.createSequence. */
  constructor(host: SequenceHost, slot: number) {
    this.#host = host;
    this.#lane = { slot, contents: new CacheContents() };
  }

  /**
   * Continues a prompt. Starts at once; one generation at a time.
   * @throws DecoderError `bad-input` or `bad-option` for what llama.cpp could not take, `context-full` when the prompt is
   *   longer than the context, `unsupported-model` for embeddings in a model with multi-axis positions, `busy`, `disposed`
   */
  generate(segments: readonly Segment[], options: GenerateOptions = {}): Generation {
    this.#checkFree("generate");
    const { llama, loop, vocabulary, contextLength } = this.#host;
    const { maxTokens, stop, ignoreEnd } = checkOptions(options);
    const sampling = resolveSampling(options.sampling);
    const grammar = readGrammar(options);
    const topLogprobs = options.logprobs;
    const prompt = this.#readPrompt("generate", segments);
    let left = false;
    const stopped = (): boolean => {
      if (this.#disposed) throw new DecoderError("disposed", "generate: the sequence was disposed while it was generating");
      return left || options.signal?.aborted === true;
    };
    const stream = new GenerationStream(
      async (emit) => {
        using sampler = await SamplerChain.create({ llama, vocabulary, sampling, prompt, grammar, topLogprobs });
        return await generateText(loop, vocabulary, { lane: this.#lane, prompt, sampler, maxTokens, stop, logprobs: topLogprobs !== undefined, ignoreEnd, contextLength, stopped }, emit);
      },
      () => {
        left = true;
      },
    );
    this.#occupy(stream.result);
    return stream;
  }

  /**
   * `float32[V]`: the logits of the token after a prompt. The prompt stays in the cache, as after `generate`.
   * @throws DecoderError as `generate` does, as a rejection
   */
  async logits(segments: readonly Segment[]): Promise<Float32Array> {
    this.#checkFree("logits");
    const { loop, vocabulary } = this.#host;
    const prompt = this.#readPrompt("logits", segments);
    const stopped = (): boolean => {
      if (this.#disposed) throw new DecoderError("disposed", "logits: the sequence was disposed meanwhile");
      return false;
    };
    const prefill = loop.prefill(this.#lane, prompt, stopped, () => loop.logits(vocabulary.size));
    this.#occupy(prefill);
    const { last } = await prefill;
    if (last === undefined) throw new DecoderError("decode-failed", "logits: the prompt gave none");
    return last;
  }

  /** Gives the slot back. A generation under way ends after its current token, with a `disposed` error. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    if (this.#running === undefined) this.#host.release(this);
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #checkFree(caller: string): void {
    if (this.#disposed) throw new DecoderError("disposed", `${caller}: this sequence is disposed; create another with decoder.createSequence()`);
    if (this.#running !== undefined) {
      throw new DecoderError("busy", `${caller}: this sequence is still generating; await the result before, or use a second sequence`);
    }
  }

  #readPrompt(caller: string, segments: readonly Segment[]): Prompt {
    const prompt = readSegments(caller, segments, this.#host);
    const { contextLength } = this.#host;
    if (prompt.length <= contextLength) return prompt;
    throw new DecoderError(
      "context-full",
      `${caller}: the prompt has ${prompt.length} positions (${prompt.tokenCount} tokens, ${prompt.embeddingCount} embeddings), ` +
        `the context ${contextLength}; shorten the prompt or load the decoder with a larger contextLength`,
    );
  }

  #occupy(work: Promise<unknown>): void {
    const ended = (): void => {
      this.#running = undefined;
      if (this.#disposed) this.#host.release(this);
    };
    this.#running = work.then(ended, ended);
  }

  /** @internal The slot's number in llama.cpp. */
  get slot(): number {
    return this.#lane.slot;
  }

  /** @internal Resolves when nothing is under way. */
  async idle(): Promise<void> {
    await this.#running;
  }
}

/** The grammar that the options ask for, checked. */
function readGrammar({ grammar, jsonSchema, ignoreEnd }: GenerateOptions): string | undefined {
  if (grammar === undefined && jsonSchema === undefined) return undefined;
  if (grammar !== undefined && jsonSchema !== undefined) throw new DecoderError("bad-option", "generate: expected a grammar or a jsonSchema, got both");
  if (ignoreEnd === true) throw new DecoderError("bad-option", "generate: ignoreEnd: expected false beside a grammar or jsonSchema, which have an end");
  return checkGrammar(grammar ?? jsonSchemaGrammar(jsonSchema));
}

function checkOptions({ maxTokens, stop = [], signal, ignoreEnd = false, logprobs }: GenerateOptions): { maxTokens: number; stop: readonly string[]; ignoreEnd: boolean } {
  if (maxTokens !== undefined && !(Number.isInteger(maxTokens) && maxTokens >= 0)) {
    throw new DecoderError("bad-option", `generate: maxTokens: expected an integer from 0 up, got ${String(maxTokens)}`);
  }
  if (!Array.isArray(stop) || stop.some((text) => typeof text !== "string" || text === "")) {
    throw new DecoderError("bad-option", "generate: stop: expected an array of strings that are not empty");
  }
  if (logprobs !== undefined && !(Number.isInteger(logprobs) && logprobs >= 0 && logprobs <= 100)) {
    throw new DecoderError("bad-option", `generate: logprobs: expected an integer from 0 to 100, got ${String(logprobs)}`);
  }
  if (typeof ignoreEnd !== "boolean") throw new DecoderError("bad-option", `generate: ignoreEnd: expected true or false, got ${String(ignoreEnd)}`);
  if (signal !== undefined && !(signal instanceof AbortSignal)) throw new DecoderError("bad-option", "generate: signal: expected an AbortSignal");
  return { maxTokens: maxTokens ?? Number.POSITIVE_INFINITY, stop: [...stop], ignoreEnd };
}
