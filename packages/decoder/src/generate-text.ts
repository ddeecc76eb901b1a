import type { DecodeContext } from "./decode-context.js";
import type { GenerationChunk, GenerationResult } from "./generation.js";
import type { SamplerChain } from "./samplers.js";
import type { Scheduler } from "./scheduler.js";
import type { Prompt } from "./segments.js";
import type { Slot } from "./slots.js";
import { StopStrings } from "./stop-strings.js";
import { Utf8Stream } from "./utf8-stream.js";
import type { GeneratedTokenLogprob } from "./token-logprobs.js";
import type { Vocabulary } from "./vocabulary.js";

/** One generation's input, checked. */
export interface TextRequest {
  readonly slot: Slot;
  readonly prompt: Prompt;
  /** See Work. */
  readonly borrows: boolean;
  readonly sampler: SamplerChain;
  readonly maxTokens: number;
  readonly stop: readonly string[];
  /** Whether the sampler notes log-probabilities. */
  readonly logprobs: boolean;
  /** Go on when the model ends its text. */
  readonly ignoreEnd: boolean;
  /** Cells of the sequence. */
  readonly contextLength: number;
  /** When the caller asked, by `performance.now()`. */
  readonly askedAt: number;
  /** True once somebody wants it to end; asked before every batch. May throw to end with an error. */
  readonly stopped: () => boolean;
}

/** Tokens in, text out: the prompt into the cache, then sample, emit and decode until something ends it. */
export async function generateText(
  scheduler: Scheduler,
  vocabulary: Vocabulary,
  request: TextRequest,
  emit: (chunk: GenerationChunk) => void,
): Promise<GenerationResult> {
  const { slot, prompt, borrows, stopped, askedAt } = request;
  const writer = new TextWriter(scheduler.context, vocabulary, request, emit);
  let reused = 0;
  const outcome = await scheduler.run({
    slot,
    prompt,
    borrows,
    stopped,
    begun: (rows) => {
      reused = rows;
    },
    next: (row) => writer.next(row),
  });
  const { text, times, completionTokens, decodedTokens } = writer;
  const finishReason = outcome === "stopped" ? "aborted" : writer.finishReason;
  text.finish(finishReason === "stop");
  const firstAt = times.first ?? performance.now();
  const decodeMs = (times.last ?? firstAt) - firstAt;
  return {
    text: text.text,
    finishReason,
    ...(text.stopSequence === undefined ? {} : { stopSequence: text.stopSequence }),
    ...(request.logprobs ? { logprobs: text.logprobs } : {}),
    usage: { promptTokens: prompt.length, embeddingTokens: prompt.embeddingCount, reusedTokens: reused, completionTokens },
    timings: {
      prefillMs: firstAt - askedAt,
      ttftMs: (text.firstAt ?? performance.now()) - askedAt,
      decodeMs,
      tokensPerSecond: decodedTokens <= 0 ? 0 : (decodedTokens / decodeMs) * 1000,
    },
  };
}

/** What becomes of each row of logits: a token, its text, and whether another is wanted. */
class TextWriter {
  readonly text: TextAssembly;
  finishReason: "stop" | "length" = "length";
  completionTokens = 0;
  /** Tokens decoded after the prompt. */
  decodedTokens = -1;
  /** When the first and the last token were sampled. */
  readonly times: { first?: number; last?: number } = {};
  readonly #context: DecodeContext;
  readonly #vocabulary: Vocabulary;
  readonly #request: TextRequest;

  constructor(context: DecodeContext, vocabulary: Vocabulary, request: TextRequest, emit: (chunk: GenerationChunk) => void) {
    this.#context = context;
    this.#vocabulary = vocabulary;
    this.#request = request;
    this.text = new TextAssembly(vocabulary, request.stop, emit);
  }

  /** Returns the token to decode next. */
  next(row: number): number | undefined {
    const { maxTokens, sampler, slot, contextLength, ignoreEnd } = this.#request;
    if (maxTokens === 0) return undefined;
    const token = this.#context.sample(sampler, row);
    this.times.last = performance.now();
    this.times.first ??= this.times.last;
    this.decodedTokens++;
    if (!ignoreEnd && this.#vocabulary.endsGeneration(token)) {
      this.finishReason = "stop";
      return undefined;
    }
    this.completionTokens++;
    this.text.add(token, sampler.logprob);
    if (this.text.stopSequence !== undefined) {
      this.finishReason = "stop";
      return undefined;
    }
    return this.completionTokens < maxTokens && slot.contents.length < contextLength ? token : undefined;
  }
}

/** Collects tokens into text: whole characters, cut at stop strings, emitted in chunks with the tokens they came from. */
class TextAssembly {
  text = "";
  stopSequence: string | undefined;
  /** When the first text was emitted. */
  firstAt: number | undefined;
  readonly #vocabulary: Vocabulary;
  readonly #utf8: Utf8Stream = new Utf8Stream();
  readonly #stops: StopStrings;
  readonly #emit: (chunk: GenerationChunk) => void;
  readonly logprobs: GeneratedTokenLogprob[] = [];
  #tokenIds: number[] = [];

  constructor(vocabulary: Vocabulary, stop: readonly string[], emit: (chunk: GenerationChunk) => void) {
    this.#vocabulary = vocabulary;
    this.#stops = new StopStrings(stop);
    this.#emit = emit;
  }

  add(token: number, logprob: GeneratedTokenLogprob | undefined): void {
    this.#tokenIds.push(token);
    if (logprob !== undefined) this.logprobs.push(logprob);
    const piece = this.#vocabulary.piece(token);
    const { text, stop } = this.#stops.push(this.#utf8.push(piece.bytes, piece.text));
    this.stopSequence = stop;
    if (text !== "") this.#hand(text);
  }

  /**
   * Emits what was held back, unless a stop string ended the text, and the tokens that gave no text.
   * @param complete the model ended its text: bytes that are no whole character were meant, and show as U+FFFD. A text that
   *   was cut short just ends before them.
   */
  finish(complete: boolean): void {
    let rest = "";
    if (this.stopSequence === undefined) rest = this.#stops.flush() + (complete ? this.#utf8.flush() : "");
    if (rest !== "" || this.#tokenIds.length > 0) this.#hand(rest);
  }

  #hand(text: string): void {
    if (text !== "") this.firstAt ??= performance.now();
    this.text += text;
    const logprobs = this.logprobs.length === 0 ? {} : { logprobs: this.logprobs.slice(this.logprobs.length - this.#tokenIds.length) };
    this.#emit({ text, tokenIds: this.#tokenIds, ...logprobs });
    this.#tokenIds = [];
  }
}
