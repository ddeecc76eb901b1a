import { llamaV040 as abi } from "./abi/llama-v0.4.0.js";
import { cacheTypes } from "./abi/llama-v0.4.0-devices.js";
import { Batch } from "./batch.js";
import { DecodeLoop } from "./decode-loop.js";
import { DecoderError } from "./decoder-error.js";
import { chooseThreads, defaultContextLength, plainAttentionPays, resolveOptions, type DecoderOptions, type LoadSettings } from "./decoder-options.js";
import { checkGgufFile } from "./gguf-file-check.js";
import { applyAdapters, loadAdapters } from "./lora-adapters.js";
import { createContext, loadModel } from "./model-loading.js";
import { modelMetadata } from "./model-metadata.js";
import { loadLlama, type Llama, type Pointer } from "./native-bindings.js";
import { NativeLog } from "./native-log.js";
import { Sequence, type SequenceHost } from "./sequence.js";
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
  /** Positions of each sequence. */
  readonly contextLength: number;
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
 * Loads a GGUF model. Its file should have been validated before (`@sightline/weights`): here it only gets a quick look
 * before native code reads it.
 * @throws DecoderError `bad-option`, `bad-model-file`, `bad-adapter-file`, `unsupported-model`, `model-load-failed`, and
 *   `unsupported-platform`, `library-missing` or `library-mismatch` when there is no usable llama.cpp; the signal's reason when cancelled
 */
export async function loadDecoder(ggufPath: string, options: DecoderOptions = {}): Promise<Decoder> {
  if (typeof ggufPath !== "string") throw new DecoderError("bad-option", `loadDecoder: ggufPath: expected a string, got ${typeof ggufPath}`);
  const settings = resolveOptions(options);
  options.signal?.throwIfAborted();
  const [fileBytes, llama] = await Promise.all([checkGgufFile(ggufPath), loadLlama()]);
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
    const plainAttention = plainAttentionPays(onGpu, llama.model_n_head(model), settings.batchTokens, contextLength);
    const adapters = await loadAdapters(llama, log, model, facts.info.architecture, settings.loraAdapters);
    context = await createContext(llama, log, model, {
      ...llama.context_default_params(),
      n_ctx: contextLength * settings.maxSequences,
      n_batch: settings.batchTokens,
      n_ubatch: settings.batchTokens,
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
    return new Decoder({ llama, log, stopListening, model, context, memory, onGpu, maxSequences: settings.maxSequences, ...facts });
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
  readonly takesEmbeddings: boolean;
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
    takesEmbeddings: !abi.multiAxisRopeTypes.has(llama.model_rope_type(model)),
    info: {
      architecture,
      embeddingWidth: llama.model_n_embd_inp(model),
      vocabularySize: vocabulary.size,
      trainContextLength,
      contextLength: settings.contextLength ?? Math.min(defaultContextLength, trainContextLength > 0 ? trainContextLength : defaultContextLength),
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
  readonly model: Pointer;
  readonly context: Pointer;
  readonly memory: Pointer;
  readonly onGpu: boolean;
  readonly maxSequences: number;
}

/** A loaded model with its KV cache: from tokens and embeddings to text. Comes from `loadDecoder`. */
export class Decoder implements AsyncDisposable {
  readonly info: DecoderInfo;
  /** @internal */
  readonly parts: DecoderParts;
  /** @internal */
  readonly loop: DecodeLoop;
  readonly #freeSlots: number[];
  readonly #sequences = new Set<Sequence>();
  #disposal: Promise<void> | undefined;

  /** @internal */
  constructor(parts: DecoderParts) {
    this.parts = parts;
    this.info = parts.info;
    const { llama, context } = parts;
    this.loop = new DecodeLoop({ ...parts, batch: new Batch(llama.n_ubatch(context), parts.info.embeddingWidth) });
    this.#freeSlots = Array.from({ length: parts.maxSequences }, (_, index) => parts.maxSequences - 1 - index);
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
   * A slot of the KV cache, to be disposed when done.
   * @throws DecoderError `no-free-sequence` when all `maxSequences` are in use, `disposed`
   */
  createSequence(): Sequence {
    this.#alive("createSequence");
    const slot = this.#freeSlots.pop();
    if (slot === undefined) {
      throw new DecoderError(
        "no-free-sequence",
        `createSequence: all ${this.parts.maxSequences} sequences are in use; dispose one, or load the decoder with a larger maxSequences`,
      );
    }
    const { llama, vocabulary, takesEmbeddings, info } = this.parts;
    const host: SequenceHost = {
      llama,
      loop: this.loop,
      vocabulary,
      takesEmbeddings,
      embeddingWidth: info.embeddingWidth,
      contextLength: info.contextLength,
      release: (sequence) => {
        this.#sequences.delete(sequence);
        this.#freeSlots.push(sequence.slot);
      },
    };
    const sequence = new Sequence(host, slot);
    this.#sequences.add(sequence);
    return sequence;
  }

  /** Ends all sequences, waits for the decode under way and frees the model. Calling it again waits for the same. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#disposal ??= this.#dispose();
    return this.#disposal;
  }

  async #dispose(): Promise<void> {
    const sequences = [...this.#sequences];
    for (const sequence of sequences) sequence.dispose();
    await Promise.all(sequences.map((sequence) => sequence.idle()));
    // Never released: whoever still waited for a turn would decode on freed memory.
    await this.loop.lock.acquire();
    const { llama, context, model, stopListening } = this.parts;
    llama.free(context);
    llama.model_free(model);
    stopListening();
  }

  #alive(method: string): void {
    if (this.#disposal !== undefined) throw new DecoderError("disposed", `${method}: this decoder is disposed; load it again`);
  }
}
