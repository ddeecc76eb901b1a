import { DecoderError } from "./decoder-error.js";
import { generateText } from "./generate-text.js";
import { checkGrammar } from "./gbnf/check-grammar.js";
import { jsonSchemaGrammar } from "./gbnf/json-schema-grammar.js";
import { GenerationStream, type GenerateOptions, type Generation } from "./generation.js";
import type { Llama } from "./native-bindings.js";
import { SamplerChain } from "./samplers.js";
import { resolveSampling, type Sampling } from "./sampling-options.js";
import type { Scheduler } from "./scheduler.js";
import { readSegments, type Prompt, type PromptModel, type Segment } from "./segments.js";
import type { Slot, Slots } from "./slots.js";
import type { Vocabulary } from "./vocabulary.js";

/** What a generation uses of its decoder. */
export interface GenerationHost {
  readonly llama: Llama;
  readonly scheduler: Scheduler;
  readonly slots: Slots;
  readonly vocabulary: Vocabulary;
  readonly model: PromptModel;
  /** Cells of each sequence. */
  readonly contextLength: number;
}

/** Where a generation gets its slot, and what becomes of it afterwards. */
export interface SlotLease {
  /** Undefined when the signal aborts before there is one. */
  readonly take: (prompt: Prompt, signal: AbortSignal) => Slot | Promise<Slot | undefined>;
  readonly giveBack: (slot: Slot) => void;
  /** Whether other slots' caches may be used. */
  readonly borrows: boolean;
  /** Throws once the slot is no longer the caller's. */
  readonly check: () => void;
}

/**
 * Checks everything, then begins.
 * @throws DecoderError `bad-input`, `bad-option` or `context-full`, at once
 */
export function startGeneration(host: GenerationHost, lease: SlotLease, segments: readonly Segment[], options: GenerateOptions): Generation {
  const { llama, scheduler, vocabulary, contextLength } = host;
  const askedAt = performance.now();
  const { maxTokens, stop, ignoreEnd } = checkOptions(options);
  const sampling: Sampling = resolveSampling(options.sampling);
  const grammar = readGrammar(options);
  const topLogprobs = options.logprobs;
  const prompt = readPrompt("generate", host, segments);
  const left = new AbortController();
  const signal = options.signal === undefined ? left.signal : AbortSignal.any([options.signal, left.signal]);
  const stopped = (): boolean => {
    lease.check();
    return signal.aborted;
  };
  return new GenerationStream(
    async (emit) => {
      using sampler = await SamplerChain.create({ llama, vocabulary, sampling, prompt, grammar, topLogprobs });
      const slot = await lease.take(prompt, signal);
      if (slot === undefined) return abortedBefore(prompt, askedAt);
      try {
        const request = { slot, prompt, borrows: lease.borrows, sampler, maxTokens, stop, logprobs: topLogprobs !== undefined, ignoreEnd, contextLength, askedAt, stopped };
        return await generateText(scheduler, vocabulary, request, emit);
      } finally {
        lease.giveBack(slot);
      }
    },
    () => left.abort(),
  );
}

/** Throws DecoderError `bad-input`, or `context-full` with the numbers. */
export function readPrompt(caller: string, { model, contextLength }: GenerationHost, segments: readonly Segment[]): Prompt {
  const prompt = readSegments(caller, segments, model);
  if (prompt.length <= contextLength) return prompt;
  throw new DecoderError(
    "context-full",
    `${caller}: the prompt has ${prompt.length} positions (${prompt.tokenCount} tokens, ${prompt.embeddingCount} embeddings), ` +
      `the context ${contextLength}; shorten the prompt or load the decoder with a larger contextLength`,
  );
}

function abortedBefore(prompt: Prompt, askedAt: number): Awaited<Generation["result"]> {
  const waited = performance.now() - askedAt;
  return {
    text: "",
    finishReason: "aborted",
    usage: { promptTokens: prompt.length, embeddingTokens: prompt.embeddingCount, reusedTokens: 0, completionTokens: 0 },
    timings: { prefillMs: waited, ttftMs: waited, decodeMs: 0, tokensPerSecond: 0 },
  };
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
