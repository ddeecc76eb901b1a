import { availableParallelism } from "node:os";
import { DecoderError } from "./decoder-error.js";
import { cacheTypes } from "./abi/llama-v0.4.0-devices.js";
import type { CacheType } from "./gpu-layers.js";
import { resolveAdapters, type LoraAdapter } from "./lora-adapters.js";
import type { Logger } from "./native-log.js";

/** How to load a decoder. */
export interface DecoderOptions {
  /**
   * Layers to put on GPUs, where the installed llama.cpp knows some; the output counts as one more. "auto": as many as
   * their free memory holds together with the KV cache. Default: all. Without a GPU it changes nothing.
   */
  readonly gpuLayers?: number | "auto";
  /** Share of the layers for each GPU, in llama.cpp's order, for example [3, 1]. Default: by their memory. */
  readonly tensorSplit?: readonly number[];
  /** The GPU that is used alone with splitMode "none". Default 0. */
  readonly mainGpu?: number;
  /** Whether several GPUs share the layers, the rows of each matrix, or nothing. Default "layer". */
  readonly splitMode?: "none" | "layer" | "row";
  /**
   * What keys and values are stored as in the KV cache. Default "f16". Quantised ones (q8_0 and below) take less memory
   * and turn flash attention on, which they need; the width of the model's heads must be a multiple of 32 then.
   */
  readonly cacheTypeK?: CacheType;
  /** As cacheTypeK. */
  readonly cacheTypeV?: CacheType;
  /** Default: where it pays, which on CPUs is only for long contexts. */
  readonly flashAttention?: boolean;
  /** LoRA adapters, all of them at work from the start. */
  readonly loraAdapters?: readonly LoraAdapter[];
  /** Threads for one token and for a batch of the prompt. Default: by the model's size and the machine. */
  readonly threads?: number;
  /** Positions of each sequence, tokens and embeddings together. Default: what the model was trained with, at most 4096. */
  readonly contextLength?: number;
  /**
   * Rows of a prompt that are computed at a time (llama.cpp's n_batch and n_ubatch, which are one here: an abort takes
   * effect between them). Default 512.
   */
  readonly batchTokens?: number;
  /** Sequences that can exist at a time. Default 1. */
  readonly maxSequences?: number;
  /**
   * Whether sequences share one pool of cells. A beginning that several have in common then takes memory once and is copied
   * for nothing, but each token's attention passes over the others' cells. Default: with more than one sequence.
   */
  readonly sharedCells?: boolean;
  /** Hears llama.cpp's log. Default: nobody does. A logger costs some speed: see NativeLog. */
  readonly logger?: Logger;
  /** Hears how much of the model is loaded, 0 to 1. */
  readonly onProgress?: (fraction: number) => void;
  /** Cancels the load: `loadDecoder` then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** Checked, with the defaults that need no model. */
export interface LoadSettings {
  readonly gpuLayers: number | "auto" | undefined;
  readonly tensorSplit: readonly number[] | undefined;
  readonly mainGpu: number | undefined;
  readonly splitMode: "none" | "layer" | "row" | undefined;
  readonly cacheTypeK: CacheType;
  readonly cacheTypeV: CacheType;
  readonly flashAttention: boolean | undefined;
  readonly loraAdapters: readonly Required<LoraAdapter>[];
  readonly threads: number | undefined;
  readonly contextLength: number | undefined;
  readonly batchTokens: number;
  readonly maxSequences: number;
  readonly sharedCells: boolean;
}

/** Positions of a sequence where nobody asked for a number, and the model was trained with more. */
export const defaultContextLength = 4096;

const maxContext = 1 << 24;

/** Throws DecoderError `bad-option`. */
export function resolveOptions(options: DecoderOptions): LoadSettings {
  const integer = (name: "gpuLayers" | "mainGpu" | "threads" | "contextLength" | "batchTokens" | "maxSequences", low: number, high: number): number | undefined => {
    const value: unknown = options[name];
    if (value === undefined) return undefined;
    if (typeof value !== "number" || !Number.isInteger(value) || value < low || value > high) {
      throw new DecoderError("bad-option", `loadDecoder: ${name}: expected an integer from ${low} to ${high}, got ${String(value)}`);
    }
    return value;
  };
  for (const name of ["logger", "onProgress"] as const) {
    if (options[name] !== undefined && typeof options[name] !== "function") {
      throw new DecoderError("bad-option", `loadDecoder: ${name}: expected a function, got ${typeof options[name]}`);
    }
  }
  if (options.signal !== undefined && !(options.signal instanceof AbortSignal)) {
    throw new DecoderError("bad-option", "loadDecoder: signal: expected an AbortSignal");
  }
  if (options.sharedCells !== undefined && typeof options.sharedCells !== "boolean") {
    throw new DecoderError("bad-option", `loadDecoder: sharedCells: expected true or false, got ${String(options.sharedCells)}`);
  }
  const maxSequences = integer("maxSequences", 1, 256) ?? 1;
  return {
    gpuLayers: options.gpuLayers === "auto" ? "auto" : integer("gpuLayers", 0, 0x7fffffff),
    mainGpu: integer("mainGpu", 0, 255),
    ...resolveSplit(options),
    ...resolveCache(options),
    loraAdapters: resolveAdapters(options.loraAdapters),
    threads: integer("threads", 1, 512),
    contextLength: integer("contextLength", 1, maxContext),
    batchTokens: integer("batchTokens", 1, 65536) ?? 512,
    maxSequences,
    sharedCells: options.sharedCells ?? maxSequences > 1,
  };
}

function resolveSplit({ tensorSplit, splitMode }: DecoderOptions): Pick<LoadSettings, "tensorSplit" | "splitMode"> {
  if (splitMode !== undefined && !["none", "layer", "row"].includes(splitMode)) {
    throw new DecoderError("bad-option", `loadDecoder: splitMode: expected "none", "layer" or "row", got ${String(splitMode)}`);
  }
  if (tensorSplit !== undefined) {
    const numbers = Array.isArray(tensorSplit) && tensorSplit.length > 0 && tensorSplit.every((share) => typeof share === "number" && share >= 0 && share <= 1e9);
    if (!numbers || !tensorSplit.some((share) => share > 0)) {
      throw new DecoderError("bad-option", `loadDecoder: tensorSplit: expected an array of numbers from 0 up, not all 0, got ${JSON.stringify(tensorSplit)}`);
    }
  }
  return { tensorSplit, splitMode };
}

function resolveCache({ cacheTypeK = "f16", cacheTypeV = "f16", flashAttention }: DecoderOptions): Pick<LoadSettings, "cacheTypeK" | "cacheTypeV" | "flashAttention"> {
  for (const [name, type] of Object.entries({ cacheTypeK, cacheTypeV })) {
    if (!Object.hasOwn(cacheTypes, type)) throw new DecoderError("bad-option", `loadDecoder: ${name}: expected one of ${Object.keys(cacheTypes).join(", ")}, got ${String(type)}`);
    if (cacheTypes[type].quantised && flashAttention === false) throw new DecoderError("bad-option", `loadDecoder: flashAttention: expected true or nothing, since ${name} ${type} needs it, got false`);
  }
  if (flashAttention !== undefined && typeof flashAttention !== "boolean") {
    throw new DecoderError("bad-option", `loadDecoder: flashAttention: expected true or false, got ${String(flashAttention)}`);
  }
  const needed = cacheTypes[cacheTypeK].quantised || cacheTypes[cacheTypeV].quantised;
  return { cacheTypeK, cacheTypeV, flashAttention: needed ? true : flashAttention };
}

/**
 * Threads for single tokens and for batches, by the bytes of weights that a token has to read.
 * Below 16 MB a second thread costs more than it brings: they wait for each other at every one of some hundred small
 * operations a token, and if anything else wants the core, such a wait takes a whole time slice (a 2 M parameter model
 * fell from 2600 tokens a second to 5 on 2 busy cores). Above, one thread a physical core, taken as half the logical ones
 * on larger machines.
 */
export function chooseThreads(sizeBytes: number, logicalCores: number = availableParallelism()): { one: number; batch: number } {
  const threads = sizeBytes < 16e6 ? 1 : logicalCores <= 4 ? logicalCores : Math.floor(logicalCores / 2);
  return { one: threads, batch: threads };
}

/**
 * Whether flash attention should stay off. On CPUs llama.cpp's is slow for single tokens: a 2 M parameter model went from
 * 2600 to 4600 tokens a second without it at 200 positions, and from 670 to 2500 at 900; 28 M parameters from 129 to 204 at 600.
 * Without it the attention scores of a batch take memory, `A * rows * positions` floats, so long contexts keep it on.
 */
export function plainAttentionPays(onGpu: boolean, heads: number, rows: number, positions: number): boolean {
  return !onGpu && heads * rows * positions * 4 <= 128 * 1024 * 1024;
}
