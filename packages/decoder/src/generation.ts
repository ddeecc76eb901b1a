import type { JsonSchema } from "./gbnf/json-schema-grammar.js";
import type { SamplingOptions } from "./sampling-options.js";
import type { GeneratedTokenLogprob } from "./token-logprobs.js";

/** How to continue a prompt. */
export interface GenerateOptions {
  /** At most this many tokens; 0 only brings the prompt into the cache. Default: until the context is full. */
  readonly maxTokens?: number;
  readonly sampling?: SamplingOptions;
  /**
   * A grammar in llama.cpp's GBNF that the text is held to; its rule `root` is the whole text. The text may still end
   * before it is complete, with finishReason "length" or "aborted", or at a stop string.
   */
  readonly grammar?: string;
  /** Holds the text to JSON that this schema describes; see `jsonSchemaGrammar` for the keywords. `true`: any JSON. */
  readonly jsonSchema?: JsonSchema;
  /** Notes each token's log-probability, and those of this many of the most likely tokens in its place, 0 to 100. */
  readonly logprobs?: number;
  /** Text that ends the generation and is not part of it. */
  readonly stop?: readonly string[];
  /** Goes on when the model ends its text (llama.cpp's `--ignore-eos`), for measuring or filling a length; off by default. */
  readonly ignoreEnd?: boolean;
  /** Ends the generation with finishReason "aborted", within one token or one batch of the prompt. */
  readonly signal?: AbortSignal;
}

/** A piece of text that is certain, and the tokens since the piece before. */
export interface GenerationChunk {
  readonly text: string;
  readonly tokenIds: number[];
  /** As many as tokenIds, where `logprobs` was set. */
  readonly logprobs?: GeneratedTokenLogprob[];
}

/** What a generation came to. */
export interface GenerationResult {
  readonly text: string;
  /**
   * "stop": the model ended its text, or a stop string did; "length": maxTokens or the end of the context;
   * "aborted": the signal, or a consumer that left its loop.
   */
  readonly finishReason: "stop" | "length" | "aborted";
  /** The stop string that ended the text. */
  readonly stopSequence?: string;
  /** One for each completion token, where `logprobs` was set. */
  readonly logprobs?: readonly GeneratedTokenLogprob[];
  readonly usage: {
    /** All positions of the prompt: tokens and embeddings, reused or not. */
    readonly promptTokens: number;
    /** Those of them that are embeddings. */
    readonly embeddingTokens: number;
    /** Those of them that were in the cache already. */
    readonly reusedTokens: number;
    /** Tokens generated; the one that ends the text is not counted. */
    readonly completionTokens: number;
  };
  readonly timings: {
    /** Milliseconds from the start until the first token was sampled, waiting for other sequences included. */
    readonly prefillMs: number;
    /** Milliseconds from the call of `generate` until the first text was handed on; of the whole call when there was none. */
    readonly ttftMs: number;
    /** Milliseconds from the first token to the last. */
    readonly decodeMs: number;
    /** Tokens decoded in `decodeMs`, a second; 0 when none were. */
    readonly tokensPerSecond: number;
  };
}

/**
 * A generation under way. It runs whether or not anybody reads it; reading it in a `for await` loop gives the text as
 * it comes, and leaving the loop ends it. There is one stream: two loops over the same generation share its chunks.
 */
export interface Generation extends AsyncIterable<GenerationChunk> {
  /** Settles when the sequence is free again. Never an unhandled rejection: who only reads the stream gets the error there. */
  readonly result: Promise<GenerationResult>;
}

/** Delivers chunks from the decoding side to the reading side. */
export class GenerationStream implements Generation {
  readonly result: Promise<GenerationResult>;
  readonly #onLeave: () => void;
  readonly #chunks: GenerationChunk[] = [];
  #waiting: { resolve: (item: IteratorResult<GenerationChunk>) => void; reject: (error: unknown) => void }[] = [];
  #ended: { readonly error?: unknown } | undefined;

  /**
   * @param run decodes, and calls `emit` for every chunk
   * @param onLeave called when a reader leaves before the end: `run` must end soon
   */
  constructor(run: (emit: (chunk: GenerationChunk) => void) => Promise<GenerationResult>, onLeave: () => void) {
    this.#onLeave = onLeave;
    this.result = run((chunk) => this.#emit(chunk));
    this.result.then(
      () => this.#end({}),
      (error: unknown) => this.#end({ error }),
    );
  }

  [Symbol.asyncIterator](): AsyncIterator<GenerationChunk, undefined> {
    return {
      next: () => this.#next(),
      return: async () => {
        this.#onLeave();
        await this.result.catch(() => undefined);
        return { done: true, value: undefined };
      },
    };
  }

  #emit(chunk: GenerationChunk): void {
    const reader = this.#waiting.shift();
    if (reader === undefined) this.#chunks.push(chunk);
    else reader.resolve({ done: false, value: chunk });
  }

  #end(ended: { readonly error?: unknown }): void {
    this.#ended = ended;
    for (const { resolve, reject } of this.#waiting) {
      if (ended.error === undefined) resolve({ done: true, value: undefined });
      else reject(ended.error);
    }
    this.#waiting = [];
  }

  #next(): Promise<IteratorResult<GenerationChunk, undefined>> {
    const chunk = this.#chunks.shift();
    if (chunk !== undefined) return Promise.resolve({ done: false, value: chunk });
    if (this.#ended?.error !== undefined) return Promise.reject(this.#ended.error);
    if (this.#ended !== undefined) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }
}
