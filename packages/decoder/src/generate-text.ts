import type { DecodeLoop, Lane } from "./decode-loop.js";
import type { GenerationChunk, GenerationResult } from "./generation.js";
import type { SamplerChain } from "./samplers.js";
import type { Prompt } from "./segments.js";
import { StopStrings } from "./stop-strings.js";
import { Utf8Stream } from "./utf8-stream.js";
import type { GeneratedTokenLogprob } from "./token-logprobs.js";
import type { Vocabulary } from "./vocabulary.js";

/**
 * Decoding on the main thread lets the event loop turn this often, so that a timer's abort takes effect.
 * A turn after each token of a small model, 0.15 ms, would cost 1 to 3 percent of its speed.
 */
const turnEveryMs = 2;

/** One generation's input, checked. */
export interface TextRequest {
  readonly lane: Lane;
  readonly prompt: Prompt;
  readonly sampler: SamplerChain;
  readonly maxTokens: number;
  readonly stop: readonly string[];
  /** Whether the sampler notes log-probabilities. */
  readonly logprobs: boolean;
  /** Go on when the model ends its text. */
  readonly ignoreEnd: boolean;
  /** Positions of the sequence. */
  readonly contextLength: number;
  /** True once somebody wants it to end; asked before every token and every batch of the prompt. May throw to end with an error. */
  readonly stopped: () => boolean;
}

/** Tokens in, text out: prefill, then decode, sample and emit until something ends it. */
export async function generateText(
  loop: DecodeLoop,
  vocabulary: Vocabulary,
  request: TextRequest,
  emit: (chunk: GenerationChunk) => void,
): Promise<GenerationResult> {
  const { lane, prompt, sampler, maxTokens, stopped } = request;
  const start = performance.now();
  const text = new TextAssembly(vocabulary, request.stop, emit);
  let finishReason: GenerationResult["finishReason"] = "length";
  let [completionTokens, decodedTokens] = [0, 0];

  // Tokens are generated in the callers' next turn, so that `generate` returns before its first chunk.
  await turnEventLoop();
  const { reused, last: firstToken } = await loop.prefill(lane, prompt, stopped, () => (maxTokens > 0 ? loop.sample(sampler) : undefined));
  const firstAt = performance.now();
  let lastAt = firstAt;
  let turnedAt = firstAt;
  if (firstToken === undefined && stopped()) finishReason = "aborted";

  let token = firstToken;
  while (token !== undefined) {
    if (stopped()) {
      finishReason = "aborted";
      break;
    }
    if (!request.ignoreEnd && vocabulary.endsGeneration(token)) {
      finishReason = "stop";
      break;
    }
    completionTokens++;
    const { logprob } = sampler;
    const another = completionTokens < maxTokens && lane.contents.length < request.contextLength;
    // A long decode runs on a worker while this token's text is made and read; a short one is over sooner than the way there.
    const inFlight = another && !loop.stepsOnMainThread ? loop.step(lane, token, sampler) : undefined;
    text.add(token, logprob);
    if (text.stopSequence !== undefined) {
      await inFlight;
      finishReason = "stop";
      break;
    }
    if (!another) break;
    if (inFlight === undefined) {
      token = loop.stepOnMainThread(lane, token, sampler) ?? (await loop.step(lane, token, sampler));
      lastAt = performance.now();
      // The reader gets its turn after every token, timers and sockets after every two milliseconds.
      if (lastAt - turnedAt < turnEveryMs) {
        await undefined;
      } else {
        await turnEventLoop();
        turnedAt = performance.now();
      }
    } else {
      token = await inFlight;
      lastAt = performance.now();
    }
    decodedTokens++;
  }
  text.finish(finishReason === "stop");

  const decodeMs = lastAt - firstAt;
  return {
    text: text.text,
    finishReason,
    ...(text.stopSequence === undefined ? {} : { stopSequence: text.stopSequence }),
    ...(request.logprobs ? { logprobs: text.logprobs } : {}),
    usage: { promptTokens: prompt.length, embeddingTokens: prompt.embeddingCount, reusedTokens: reused, completionTokens },
    timings: {
      prefillMs: firstAt - start,
      ttftMs: (text.firstAt ?? performance.now()) - start,
      decodeMs,
      tokensPerSecond: decodedTokens === 0 ? 0 : (decodedTokens / decodeMs) * 1000,
    },
  };
}

function turnEventLoop(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
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
