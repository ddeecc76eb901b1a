import { availableParallelism } from "node:os";
import { DecoderError } from "./decoder-error.js";
import type { Logger } from "./native-log.js";

/** How to load a decoder. */
export interface DecoderOptions {
  /** Layers to put on a GPU, where the installed llama.cpp has one. Default: all. */
  readonly gpuLayers?: number;
  /** Threads for one token and for a batch of the prompt. Default: by the model's size and the machine. */
  readonly threads?: number;
  /** Positions of each sequence, tokens and embeddings together. Default: what the model was trained with, at most 4096. */
  readonly contextLength?: number;
  /** Rows that llama.cpp takes at a time at most. Default 512. */
  readonly batchTokens?: number;
  /** Rows that are computed at a time, up to batchTokens; an abort takes effect between them. Default: batchTokens. */
  readonly ubatchTokens?: number;
  /** Sequences that can exist at a time. Default 1. */
  readonly maxSequences?: number;
  /** Hears llama.cpp's log. Default: nobody does. A logger costs some speed: see NativeLog. */
  readonly logger?: Logger;
  /** Hears how much of the model is loaded, 0 to 1. */
  readonly onProgress?: (fraction: number) => void;
  /** Cancels the load: `loadDecoder` then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** Checked, with the defaults that need no model. */
export interface LoadSettings {
  readonly gpuLayers: number | undefined;
  readonly threads: number | undefined;
  readonly contextLength: number | undefined;
  readonly batchTokens: number;
  readonly ubatchTokens: number;
  readonly maxSequences: number;
}

const maxContext = 1 << 24;
const defaultBatch = 512;

/** Throws DecoderError `bad-option`. */
export function resolveOptions(options: DecoderOptions): LoadSettings {
  const integer = (name: "gpuLayers" | "threads" | "contextLength" | "batchTokens" | "ubatchTokens" | "maxSequences", low: number, high: number): number | undefined => {
    const value: unknown = options[name];
    if (value === undefined) return undefined;
    if (typeof value !== "number" || !Number.isInteger(value) || value < low || value > high) {
      throw new DecoderError("bad-option", `loadDecoder: ${name}: expected an integer from ${low} to ${high}, got ${String(value)}`);
    }
    return value;
  };
  const batchTokens = integer("batchTokens", 1, 65536) ?? Math.max(defaultBatch, options.ubatchTokens ?? 0);
  const ubatchTokens = integer("ubatchTokens", 1, 65536) ?? batchTokens;
  if (ubatchTokens > batchTokens) {
    throw new DecoderError("bad-option", `loadDecoder: ubatchTokens: expected at most batchTokens, which is ${batchTokens}, got ${ubatchTokens}`);
  }
  for (const name of ["logger", "onProgress"] as const) {
    if (options[name] !== undefined && typeof options[name] !== "function") {
      throw new DecoderError("bad-option", `loadDecoder: ${name}: expected a function, got ${typeof options[name]}`);
    }
  }
  if (options.signal !== undefined && !(options.signal instanceof AbortSignal)) {
    throw new DecoderError("bad-option", "loadDecoder: signal: expected an AbortSignal");
  }
  return {
    gpuLayers: integer("gpuLayers", 0, 0x7fffffff),
    threads: integer("threads", 1, 512),
    contextLength: integer("contextLength", 1, maxContext),
    batchTokens,
    ubatchTokens,
    maxSequences: integer("maxSequences", 1, 256) ?? 1,
  };
}

/** Threads for single tokens and for batches, by what a token has to read: `sizeBytes` of weights. */
export function chooseThreads(sizeBytes: number, cores: number = availableParallelism()): { one: number; batch: number } {
  return sizeBytes < 16e6 ? { one: 1, batch: cores } : { one: cores, batch: cores };
}
