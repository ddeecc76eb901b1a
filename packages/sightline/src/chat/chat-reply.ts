import type { GeneratedTokenLogprob, GenerationResult } from "@sightline/decoder";

/** Tokens of a reply. */
export interface ChatUsage {
  /** Tokens of the prompt, image tokens included. */
  readonly promptTokens: number;
  /** Decoder tokens that images took. */
  readonly imageTokens: number;
  /** Prompt tokens that the KV cache still held. */
  readonly reusedTokens: number;
  readonly completionTokens: number;
  /** Messages at the beginning that were left out for want of room, where the request allowed it. */
  readonly droppedMessages: number;
}

/** All in ms but the last. */
export interface ChatTimings {
  readonly loadMs: number;
  readonly preprocessMs: number;
  readonly encodeMs: number;
  readonly prefillMs: number;
  /** From the call to the first text. */
  readonly ttftMs: number;
  readonly decodeMs: number;
  readonly tokensPerSecond: number;
}

/** A whole reply, and what it took. */
export interface ChatResult {
  readonly model: string;
  readonly text: string;
  readonly finishReason: GenerationResult["finishReason"];
  /** One for each completion token, where the request asked for `logprobs`. */
  readonly logprobs?: readonly GeneratedTokenLogprob[];
  readonly usage: ChatUsage;
  readonly timings: ChatTimings;
}

/** A piece of a reply as it arrives. */
export interface ChatPart {
  readonly type: "text-delta";
  readonly text: string;
  /** Of the tokens that this text came from, where the request asked for `logprobs`. */
  readonly logprobs?: readonly GeneratedTokenLogprob[];
}

interface ReplyControls {
  /** Aborts when the caller's signal does, or when the reader stops reading. */
  readonly signal: AbortSignal;
  readonly push: (text: string, logprobs?: readonly GeneratedTokenLogprob[]) => void;
}

/**
 * A reply under way. Read it as it comes, or await `result`, or both. Leaving the loop early ends the generation; a
 * failure that is only met while reading never becomes an unhandled rejection.
 */
export class ChatReply implements AsyncIterable<ChatPart> {
  readonly result: Promise<ChatResult>;
  readonly #abort = new AbortController();
  readonly #parts: ChatPart[] = [];
  #wake: (() => void) | undefined;
  #ended = false;

  /** @internal */
  constructor(signal: AbortSignal | undefined, run: (controls: ReplyControls) => Promise<ChatResult>) {
    const combined = signal ? AbortSignal.any([signal, this.#abort.signal]) : this.#abort.signal;
    const push: ReplyControls["push"] = (text, logprobs) => {
      this.#parts.push(logprobs === undefined ? { type: "text-delta", text } : { type: "text-delta", text, logprobs });
      this.#wake?.();
    };
    this.result = run({ signal: combined, push }).finally(() => {
      this.#ended = true;
      this.#wake?.();
    });
    this.result.catch(() => {});
  }

  /** The parts of the reply as they come; leaving the loop early stops the generation. To be iterated once. */
  async *[Symbol.asyncIterator](): AsyncGenerator<ChatPart, void> {
    try {
      for (;;) {
        const part = this.#parts.shift();
        if (part) yield part;
        else if (this.#ended) break;
        else await new Promise<void>((resolve) => (this.#wake = resolve));
      }
      await this.result;
    } finally {
      this.#abort.abort();
    }
  }
}
