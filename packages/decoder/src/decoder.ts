import { llamaV040 as abi } from "./abi/llama-v0.4.0.js";
import { cacheTypes } from "./abi/llama-v0.4.0-devices.js";
import { Batch } from "./batch.js";
import { readCacheState, writeCacheState, type CacheOrigin } from "./cache-state.js";
import { DecodeContext } from "./decode-context.js";
import { DecoderError } from "./decoder-error.js";
import { chooseThreads, defaultContextLength, plainAttentionPays, resolveOptions, type DecoderOptions, type LoadSettings } from "./decoder-options.js";
import { fileFingerprint } from "./file-fingerprint.js";
import type { GenerateOptions, Generation } from "./generation.js";
import { checkGgufFile } from "./gguf-file-check.js";
import { checkDecoderHeader } from "./header-check/check-decoder-header.js";
import { applyAdapters, loadAdapters } from "./lora-adapters.js";
import { createContext, loadModel } from "./model-loading.js";
import { modelMetadata } from "./model-metadata.js";
import { loadLlama, type Llama, type Pointer } from "./native-bindings.js";
import { NativeLog } from "./native-log.js";
import { Scheduler } from "./scheduler.js";
import { readSegments, type PromptModel, type Segment } from "./segments.js";
import { Sequence } from "./sequence.js";
import { Slots, type Slot } from "./slots.js";
import { startGeneration, type GenerationHost } from "./start-generation.js";
import { tokenizeTexts, type TextToTokenize } from "./tokenize-texts.js";
import { Vocabulary, type SpecialToken } from "./vocabulary.js";

/** What a loaded model is. */
export interface DecoderInfo {
  /** The GGUF's `general.architecture`, for example "qwen3". */
  readonly architecture: string;
  /** E: the width of an embedding that takes the place of a token. */
  readonly embeddingWidth: number;
  /** V */
  readonly vocabularySize: number;
  readonly trainContextLength: number;
  /** Cells of each sequence: a token or an embedding takes one. */
  readonly contextLength: number;
  /** Rows that are decoded at a time, and so the longest segment whose rows look at each other. */
  readonly batchTokens: number;
  readonly maxSequences: number;
  /** Whether an embedding's position has a time, a row and a column (M-RoPE): segments then carry a grid. */
  readonly multiAxisPositions: boolean;
  /** Jinja, as the GGUF has it. */
  readonly chatTemplate?: string;
  readonly bosToken?: SpecialToken;
  readonly eosToken?: SpecialToken;
  /** Whether the model expects texts to begin with `bosToken`. */
  readonly addBos: boolean;
  readonly parameterCount: number;
  /** Bytes of all weights. */
  readonly sizeBytes: number;
  /** llama.cpp's words for architecture, size and quantisation. */
  readonly description: string;
  /** Threads used for one token, and for a batch. */
  readonly threads: { readonly one: number; readonly batch: number };
}

/**
 * Loads a GGUF model. Its header is checked before native code reads it, which ends the process over some mistakes; where
 * tensors lie in the file is left to llama.cpp and to `@sightline/weights`.
 * @throws DecoderError `bad-option`, `bad-model-file`, `bad-adapter-file`, `unsupported-model`, `model-load-failed`, and
 *   `unsupported-platform`, `library-missing` or `library-mismatch` when there is no usable llama.cpp; the signal's reason when cancelled
 */
export async function loadDecoder(ggufPath: string, options: DecoderOptions = {}): Promise<Decoder> {
  if (typeof ggufPath !== "string") throw new DecoderError("bad-option", `loadDecoder: ggufPath: expected a string, got ${typeof ggufPath}`);
  const settings = resolveOptions(options);
  options.signal?.throwIfAborted();
  const [fileBytes, llama] = await Promise.all([checkGgufFile(ggufPath), loadLlama()]);
  await checkDecoderHeader(ggufPath);
  options.signal?.throwIfAborted();
  const log = logOf(llama);
  const stopListening = options.logger === undefined ? () => undefined : log.listen(options.logger);
  let model: Pointer | undefined;
  let context: Pointer | undefined;
  try {
    model = await loadModel(llama, log, ggufPath, fileBytes, settings, options);
    options.signal?.throwIfAborted();
    const facts = readModel(llama, model, ggufPath, settings);
    const { contextLength, threads } = facts.info;
    const onGpu = llama.supports_gpu_offload() && settings.gpuLayers !== 0;
    const plainAttention = plainAttentionPays(onGpu, llama.model_n_head(model), facts.info.batchTokens, contextLength * (settings.sharedCells ? settings.maxSequences : 1));
    const adapters = await loadAdapters(llama, log, model, facts.info.architecture, settings.loraAdapters);
    context = await createContext(llama, log, ggufPath, model, {
      ...llama.context_default_params(),
      n_ctx: contextLength * settings.maxSequences,
      n_batch: facts.info.batchTokens,
      n_ubatch: facts.info.batchTokens,
      kv_unified: settings.sharedCells,
      n_seq_max: settings.maxSequences,
      n_threads: threads.one,
      n_threads_batch: threads.batch,
      flash_attn_type: abi.flashAttention[settings.flashAttention === undefined ? (plainAttention ? "off" : "auto") : settings.flashAttention ? "on" : "off"],
      type_k: cacheTypes[settings.cacheTypeK].id,
      type_v: cacheTypes[settings.cacheTypeV].id,
    });
    applyAdapters(llama, context, adapters, settings.loraAdapters);
    options.signal?.throwIfAborted();
    const memory = llama.get_memory(context);
    if (memory === null) throw new DecoderError("unsupported-model", `loadDecoder: ${ggufPath}: ${facts.info.architecture} is no text generator: it has no memory`);
    const most = Math.max(threads.one, threads.batch);
    const freePool = most > 1 ? llama.threads.attachPool(context, most) : undefined;
    return new Decoder({ llama, log, stopListening, file: ggufPath, model, context, memory, freePool, onGpu, settings, ...facts });
  } catch (error) {
    if (context !== undefined) llama.free(context);
    if (model !== undefined) llama.model_free(model);
    stopListening();
    throw error;
  }
}

const logs = new WeakMap<Llama, NativeLog>();

function logOf(llama: Llama): NativeLog {
  let log = logs.get(llama);
  if (log === undefined) logs.set(llama, (log = new NativeLog(llama)));
  return log;
}

interface ModelFacts {
  readonly info: DecoderInfo;
  readonly vocabulary: Vocabulary;
}

function readModel(llama: Llama, model: Pointer, file: string, settings: LoadSettings): ModelFacts {
  const unsupported = (why: string): DecoderError => new DecoderError("unsupported-model", `loadDecoder: ${file}: ${why}`);
  const architecture = modelMetadata(llama, model, "general.architecture") ?? "unknown";
  if (llama.model_has_encoder(model) || !llama.model_has_decoder(model) || llama.model_is_diffusion(model)) {
    throw unsupported(`expected a decoder-only model, got ${architecture}`);
  }
  const vocab = llama.model_get_vocab(model);
  const vocabType = llama.vocab_type(vocab);
  if (vocabType === abi.vocabType.none) throw unsupported("the model has no tokenizer");
  const vocabulary = new Vocabulary(llama, vocab, vocabType === abi.vocabType.bytePairs);
  const trainContextLength = llama.model_n_ctx_train(model);
  const sizeBytes = Number(llama.model_size(model));
  const automatic = chooseThreads(sizeBytes);
  const chatTemplate = modelMetadata(llama, model, "tokenizer.chat_template");
  const description = new Uint8Array(256);
  const length = llama.model_desc(model, description, description.length);
  return {
    vocabulary,
    info: {
      architecture,
      embeddingWidth: llama.model_n_embd_inp(model),
      vocabularySize: vocabulary.size,
      trainContextLength,
      contextLength: settings.contextLength ?? Math.min(defaultContextLength, trainContextLength > 0 ? trainContextLength : defaultContextLength),
      batchTokens: Math.max(settings.batchTokens, settings.maxSequences),
      maxSequences: settings.maxSequences,
      multiAxisPositions: abi.multiAxisRopeTypes.has(llama.model_rope_type(model)),
      ...(chatTemplate === undefined ? {} : { chatTemplate }),
      ...(vocabulary.bos === undefined ? {} : { bosToken: vocabulary.bos }),
      ...(vocabulary.eos === undefined ? {} : { eosToken: vocabulary.eos }),
      addBos: vocabulary.addBos,
      parameterCount: Number(llama.model_n_params(model)),
      sizeBytes,
      description: new TextDecoder().decode(description.subarray(0, Math.min(Math.max(0, length), description.length - 1))),
      threads: settings.threads === undefined ? automatic : { one: settings.threads, batch: settings.threads },
    },
  };
}

interface DecoderParts extends ModelFacts {
  readonly llama: Llama;
  readonly log: NativeLog;
  readonly stopListening: () => void;
  readonly file: string;
  readonly model: Pointer;
  readonly context: Pointer;
  readonly memory: Pointer;
  /** Frees the context's threads. */
  readonly freePool: (() => void) | undefined;
  readonly onGpu: boolean;
  readonly settings: LoadSettings;
}

/**
 * A loaded model with its KV cache: from tokens and embeddings to text. Many generations run together, batched: `generate`
 * for whoever brings a whole prompt, `createSequence` for whoever wants a slot of the cache to keep. Comes from `loadDecoder`.
 */
export class Decoder implements AsyncDisposable {
  readonly info: DecoderInfo;
  /** @internal */
  readonly parts: DecoderParts;
  /** @internal */
  readonly scheduler: Scheduler;
  readonly #host: GenerationHost;
  readonly #slots: Slots;
  readonly #sequences = new Set<Sequence>();
  readonly #generations = new Set<Promise<unknown>>();
  #origin: Promise<CacheOrigin> | undefined;
  #disposal: Promise<void> | undefined;

  /** @internal */
  constructor(parts: DecoderParts) {
    this.parts = parts;
    this.info = parts.info;
    const { llama, model, vocabulary, settings, info } = parts;
    const { batchTokens, embeddingWidth, multiAxisPositions, maxSequences, contextLength } = info;
    const promptModel: PromptModel = { embeddingWidth, multiAxisPositions, batchTokens, vocabulary };
    const cuttable = !llama.memory.isRecurrent(model) && !llama.memory.isHybrid(model);
    this.#slots = new Slots(maxSequences);
    this.scheduler = new Scheduler(new DecodeContext(parts), new Batch(batchTokens, maxSequences, embeddingWidth, multiAxisPositions), this.#slots, {
      cuttable,
      sharedCells: settings.sharedCells,
    });
    this.#host = { llama, scheduler: this.scheduler, slots: this.#slots, vocabulary, model: promptModel, contextLength };
  }

  /**
   * `int32[T]`: the text's token ids.
   * @param options.specials read the spellings of special tokens as these tokens. Off by default, and to be left off for what
   *   users write: `<|im_end|>` in it then stays text.
   * @param options.addBos put the token for the beginning of a text first. Off by default; `info.addBos` tells what the model expects.
   * @throws DecoderError `bad-input`, `bad-option`, `disposed`
   */
  tokenize(text: string, options?: { readonly specials?: boolean; readonly addBos?: boolean }): Int32Array {
    this.#alive("tokenize");
    return this.parts.vocabulary.tokenize(text, options);
  }

  /**
   * `int32[T]`: the ids of texts that stand one after another. A word may be spelled across a border, as in one text; special
   * tokens are read only within texts that have `specials`.
   * @throws DecoderError `bad-input`, `bad-option`, `disposed`
   */
  tokenizeTexts(texts: readonly TextToTokenize[], options?: { readonly addBos?: boolean }): Int32Array {
    this.#alive("tokenizeTexts");
    return tokenizeTexts(this.parts.vocabulary, texts, options);
  }

  /**
   * The tokens' text. Special tokens give none, unless `specials` is set.
   * @throws DecoderError `bad-input`, `disposed`
   */
  detokenize(tokens: Int32Array, options?: { readonly specials?: boolean }): string {
    this.#alive("detokenize");
    return this.parts.vocabulary.detokenize(tokens, options);
  }

  /**
   * One token's spelling, special tokens included; U+FFFD for bytes that are only part of a character.
   * @throws DecoderError `bad-input`, `disposed`
   */
  tokenText(id: number): string {
    this.#alive("tokenText");
    return this.parts.vocabulary.tokenText(id);
  }

  /**
   * Whether a generation ends with this token: the end of a text, of a turn and the like.
   * @throws DecoderError `disposed`
   */
  endsText(id: number): boolean {
    this.#alive("endsText");
    return this.parts.vocabulary.endsGeneration(id);
  }

  /**
   * Continues a prompt, together with whatever else is being generated. It takes the slot whose cache begins most alike;
   * what another slot's cache holds of the prompt's beginning is copied from there. When all slots are taken it waits for
   * one, in the order of asking.
   * @throws DecoderError `bad-input` or `bad-option` for what llama.cpp could not take, `context-full` when the prompt is
   *   longer than the context, `disposed`
   */
  generate(segments: readonly Segment[], options: GenerateOptions = {}): Generation {
    this.#alive("generate");
    const stream = startGeneration(
      this.#host,
      {
        take: (prompt, signal) => this.#slots.takeFor(prompt, signal),
        giveBack: (slot) => this.#slots.release(slot),
        borrows: true,
        check: () => this.#alive("generate"),
      },
      segments,
      options,
    );
    const ended: Promise<unknown> = stream.result.catch(() => undefined).finally(() => this.#generations.delete(ended));
    this.#generations.add(ended);
    return stream;
  }

  /**
   * A slot of the KV cache to keep, to be disposed when done. It begins empty and takes nothing from other slots.
   * @throws DecoderError `no-free-sequence` when all `maxSequences` are in use, `disposed`
   */
  createSequence(): Sequence {
    this.#alive("createSequence");
    const slot = this.#slots.take();
    if (slot === undefined) {
      throw new DecoderError(
        "no-free-sequence",
        `createSequence: all ${this.info.maxSequences} sequences are in use; dispose one, or load the decoder with a larger maxSequences`,
      );
    }
    slot.contents.truncate(0);
    const sequence = new Sequence(this.#host, slot, () => {
      this.#sequences.delete(sequence);
      this.#slots.release(slot);
    });
    this.#sequences.add(sequence);
    return sequence;
  }

  /**
   * The keys and values of the longest beginning of a prompt that any slot holds, as bytes for `restoreCache` of a decoder
   * of the same model and cache types. Undefined when no slot holds any of it.
   * @throws DecoderError `bad-input`, `disposed`
   */
  async saveCache(segments: readonly Segment[]): Promise<Uint8Array | undefined> {
    this.#alive("saveCache");
    const prompt = readSegments("saveCache", segments, this.#host.model);
    const origin = await this.#cacheOrigin();
    return this.scheduler.alone(async () => {
      this.#alive("saveCache");
      const found = this.#slots.fullest(prompt);
      if (found === undefined) return undefined;
      return writeCacheState(origin, found.slot.contents.record(), await this.scheduler.context.readState(found.slot.index));
    });
  }

  /**
   * Puts what `saveCache` gave into a slot, waiting for one if need be. Returns how many rows it holds now.
   * @throws DecoderError `bad-input` for other bytes, or those of another model, `context-full` when they are more than the
   *   context holds, `disposed`
   */
  async restoreCache(bytes: Uint8Array): Promise<number> {
    this.#alive("restoreCache");
    const { contents, state } = readCacheState(bytes, await this.#cacheOrigin());
    const rows = contents.cells.length;
    if (rows > this.info.contextLength) throw new DecoderError("context-full", `restoreCache: the cache has ${rows} positions, the context ${this.info.contextLength}`);
    const slot = (await this.#slots.takeFor({ runs: [], length: 0, tokenCount: 0, embeddingCount: 0 }, undefined)) as Slot;
    try {
      await this.scheduler.alone(async () => {
        this.#alive("restoreCache");
        this.scheduler.context.clear(slot.index);
        slot.contents.truncate(0);
        if (!(await this.scheduler.context.writeState(slot.index, state))) {
          this.scheduler.context.clear(slot.index);
          throw new DecoderError("bad-input", "restoreCache: llama.cpp does not take this state");
        }
        slot.contents.restore(contents);
      });
    } finally {
      this.#slots.release(slot);
    }
    return rows;
  }

  /** Ends all generations, waits for the decode under way and frees the model. Calling it again waits for the same. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#disposal ??= this.#dispose();
    return this.#disposal;
  }

  async #dispose(): Promise<void> {
    const sequences = [...this.#sequences];
    // Not before the caller's turn is over: `disposed` must be what the generations see.
    await undefined;
    for (const sequence of sequences) sequence.dispose();
    await Promise.all([...sequences.map((sequence) => sequence.idle()), ...this.#generations]);
    // Never released: whoever still waited for a turn would decode on freed memory.
    await this.scheduler.lock.acquire();
    const { llama, context, model, freePool, stopListening } = this.parts;
    llama.free(context);
    freePool?.();
    llama.model_free(model);
    stopListening();
  }

  #cacheOrigin(): Promise<CacheOrigin> {
    const { file, settings, info } = this.parts;
    this.#origin ??= fileFingerprint(file).then((fingerprint) => ({
      model: `${info.description}, ${fingerprint}`,
      cacheTypes: `${settings.cacheTypeK} keys, ${settings.cacheTypeV} values`,
    }));
    return this.#origin;
  }

  #alive(method: string): void {
    if (this.#disposal !== undefined) throw new DecoderError("disposed", `${method}: this decoder is disposed; load it again`);
  }
}
