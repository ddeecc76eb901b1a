import { performance } from "node:perf_hooks";
import { loadDecoder, type Decoder, type DecoderOptions, type GeneratedTokenLogprob, type GenerateOptions } from "@sightline/decoder";
import type { Device } from "@sightline/graph";
import { openWeights } from "@sightline/weights";
import { openImageEncoder, type ImageEncoder, type ImageEncoderOptions } from "../image-encoder.js";
import { readImageModel, type ImageModel, type ImageModelOptions } from "../image-model.js";
import { findModelFiles, type ModelFiles, type ModelPaths } from "../models/model-files.js";
import { fingerprintOf } from "../models/fingerprint.js";
import { checkPairOf } from "../models/model-pair.js";
import { SightlineError } from "../sightline-error.js";
import { ChatPictures, rowsOf } from "./chat-pictures.js";
import { draftChat, draftPrefix, type DraftPrompt } from "./chat-prompt.js";
import { ChatReply, type ChatResult } from "./chat-reply.js";
import { chatSizes } from "./chat-sizes.js";
import { EmbeddingStore, type EmbeddingStoreOptions } from "./embedding-store.js";
import { fitPrompt, type Overflow } from "./fit-prompt.js";
import { readConversation, writeConversation } from "./conversation-file.js";
import { checkMessages, checkQuestion, type ChatMessage } from "./messages.js";

/** Settings of `loadVisionChat`, for both halves of the model. */
export interface VisionChatOptions extends ImageModelOptions {
  /** Where the tower runs; the CPU when left out. */
  readonly device?: Device;
  /** Of the tower: see ImageEncoderOptions. "float32" when left out. */
  readonly precision?: NonNullable<ImageEncoderOptions["precision"]>;
  /** Threads of the tower and of the decoder; chosen by each when left out. */
  readonly threads?: number;
  /** Layers of the decoder on a GPU; "auto": as many as its free memory holds. */
  readonly gpuLayers?: number | "auto";
  /**
   * Tokens that a conversation may hold, images included. When left out: 4096, or room for two of the model's largest
   * pictures and 2048 tokens of text where that is more, up to 16,384; at most what the decoder was trained with.
   */
  readonly contextLength?: number;
  /**
   * Replies that are generated together, in shared batches; others wait in line. The memory of the cache is `contextLength`
   * for each. 1 when left out.
   */
  readonly conversations?: number;
  /** Keeps the rows of pictures on disk, so that one that was seen in an earlier run is not encoded again. */
  readonly embeddingStore?: EmbeddingStoreOptions;
  /** What else the decoder is loaded with. */
  readonly decoder?: Pick<DecoderOptions, "loraAdapters" | "sharedCells" | "cacheTypeK" | "cacheTypeV" | "flashAttention" | "tensorSplit" | "mainGpu" | "splitMode" | "batchTokens">;
  /** Called while the files load. */
  readonly onProgress?: (event: LoadProgress) => void;
  readonly signal?: AbortSignal;
}

/** Parts of a model as they finish loading. */
export interface LoadProgress {
  readonly type: "load";
  readonly part: "tower" | "decoder";
  /** 0 to 1. */
  readonly fraction: number;
}

export interface ChatRequest extends GenerateOptions {
  readonly messages: readonly ChatMessage[];
  /**
   * What happens when the conversation is longer than the context: "error", or "drop-oldest", which leaves out the oldest
   * turns until it fits, never the system message or the last question. "error" when left out.
   */
  readonly overflow?: Overflow;
}

/**
 * A SigLIP tower and projector joined to a decoder. Conversations run side by side, as many as it was loaded for; what two
 * of them begin with alike is computed once, and a picture is encoded once for all of them.
 */
export class VisionChat implements AsyncDisposable {
  readonly model: string;
  /** How long loading took, ms. */
  readonly loadMs: number;
  readonly #encoder: ImageEncoder;
  readonly #decoder: Decoder;
  readonly #pictures: ChatPictures;
  readonly #decoderPath: string;
  /** Tells what was computed by this model from what another did. */
  readonly #fingerprint: string;
  /** Replies, and conversations being saved or loaded. */
  readonly #replies = new Set<Promise<unknown>>();
  #disposed = false;

  /** @internal Use `loadVisionChat`. */
  constructor(files: ModelFiles, loadMs: number, encoder: ImageEncoder, decoder: Decoder, fingerprint: string, store: EmbeddingStore | undefined) {
    this.#fingerprint = fingerprint;
    this.model = files.name;
    this.#decoderPath = files.decoder;
    this.#pictures = new ChatPictures(encoder, store);
    this.loadMs = loadMs;
    this.#encoder = encoder;
    this.#decoder = decoder;
  }

  /** Images encoded so far; a picture that was seen before is not encoded again. */
  get encodes(): number {
    return this.#pictures.encodes;
  }

  /**
   * Answers the last message of a conversation. The reply is an async iterable of parts and has a `result`.
   * @throws SightlineError `invalid-message` at once; what fails later rejects the reply
   */
  stream({ messages, ...options }: ChatRequest): ChatReply {
    if (this.#disposed) throw new SightlineError("disposed", "VisionChat.stream: the chat is disposed");
    checkQuestion(messages);
    const reply = new ChatReply(options.signal, (controls) => this.#answer(messages, { ...options, signal: controls.signal }, controls.push));
    this.#underWay(reply.result);
    return reply;
  }

  /** Disposal waits for it. */
  #underWay<T>(work: Promise<T>): Promise<T> {
    const ended: Promise<unknown> = work.catch(() => {}).finally(() => this.#replies.delete(ended));
    this.#replies.add(ended);
    return work;
  }

  /**
   * Saves a conversation with its images, their rows and what the decoder's cache holds of it, so that it goes on in another
   * process without anything being computed again.
   * @param file a safetensors file, written atomically
   * @throws SightlineError `invalid-message`, `disposed`; ImageError for an image that cannot be read
   */
  async saveConversation(messages: readonly ChatMessage[], file: string, { signal = new AbortController().signal }: { readonly signal?: AbortSignal } = {}): Promise<void> {
    if (this.#disposed) throw new SightlineError("disposed", "VisionChat.saveConversation: the chat is disposed");
    checkMessages(messages);
    await this.#underWay(this.#save(messages, file, signal));
  }

  async #save(messages: readonly ChatMessage[], file: string, signal: AbortSignal): Promise<void> {
    const prompt = this.#draft(messages, await this.#pictures.open(messages, signal));
    const encoded = await this.#pictures.rows(prompt.pictures, signal);
    const rows = prompt.pictures.map(({ key }, i) => [key, rowsOf(encoded.pictures[i] ?? [])] as const);
    const cache = await this.#decoder.saveCache(await prompt.segments(encoded.pictures));
    await writeConversation(file, { messages, model: this.#fingerprint, rows: new Map(rows), cache }, this.#encoder.width);
  }

  /**
   * Reads a conversation that `saveConversation` wrote. Its images come as bytes. What was computed for it by the same model
   * is put back: the next question encodes nothing that was encoded, and prefills what is new. From another model the
   * messages alone are taken, and `restoredTokens` is 0.
   * @throws SightlineError `bad-input` for a file that is no conversation, `disposed`; WeightsError for a damaged file
   */
  async loadConversation(file: string): Promise<{ readonly messages: readonly ChatMessage[]; readonly restoredTokens: number }> {
    if (this.#disposed) throw new SightlineError("disposed", "VisionChat.loadConversation: the chat is disposed");
    return this.#underWay(this.#load(file));
  }

  async #load(file: string): Promise<{ readonly messages: readonly ChatMessage[]; readonly restoredTokens: number }> {
    const { messages, model, rows, cache } = await readConversation(file);
    if (messages.length > 0) checkMessages(messages);
    if (model !== this.#fingerprint) return { messages, restoredTokens: 0 };
    for (const [key, values] of rows) this.#pictures.keep(key, values);
    return { messages, restoredTokens: cache ? await this.#decoder.restoreCache(cache) : 0 };
  }

  /** Waits for the replies under way, then frees tower and decoder. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    await Promise.all(this.#replies);
    await this.#decoder[Symbol.asyncDispose]();
    await this.#encoder[Symbol.asyncDispose]();
  }

  async #answer(messages: readonly ChatMessage[], { overflow, ...options }: Omit<ChatRequest, "messages"> & { readonly signal: AbortSignal }, push: (text: string, logprobs?: readonly GeneratedTokenLogprob[]) => void): Promise<ChatResult> {
    const started = performance.now();
    const pictures = await this.#pictures.open(messages, options.signal);
    const decodeMs = performance.now() - started;
    const { contextLength, trainContextLength } = this.#decoder.info;
    const { prompt, droppedMessages } = fitPrompt(messages, (kept) => this.#draft(kept, pictures), { contextLength, trainContextLength, maxTokens: options.maxTokens, overflow });
    const encoded = await this.#pictures.rows(prompt.pictures, options.signal);
    const segments = await prompt.segments(encoded.pictures);
    const generation = this.#decoder.generate(segments, options);
    let firstTextMs: number | undefined;
    for await (const { text, logprobs } of generation) {
      firstTextMs ??= performance.now() - started;
      push(text, logprobs);
    }
    const { text, finishReason, usage, timings, logprobs } = await generation.result;
    return {
      model: this.model,
      text,
      finishReason,
      ...(logprobs === undefined ? {} : { logprobs }),
      usage: {
        promptTokens: usage.promptTokens,
        imageTokens: prompt.imageTokens,
        reusedTokens: usage.reusedTokens,
        completionTokens: usage.completionTokens,
        droppedMessages,
      },
      timings: {
        loadMs: this.loadMs,
        preprocessMs: decodeMs + encoded.preprocessMs,
        encodeMs: encoded.encodeMs,
        prefillMs: timings.prefillMs,
        ttftMs: firstTextMs ?? performance.now() - started,
        decodeMs: timings.decodeMs,
        tokensPerSecond: timings.tokensPerSecond,
      },
    };
  }

  #draft(messages: readonly ChatMessage[], pictures: Parameters<typeof draftChat>[1]): DraftPrompt {
    const model = { decoder: this.#decoder, model: this.#encoder.model, planner: this.#pictures };
    return this.#encoder.model.family.prompt === "prefix" ? draftPrefix(messages, pictures, model, (tokens) => this.#tokenRows(tokens)) : draftChat(messages, pictures, model);
  }

  /** float32[T, E], as the decoder looks tokens up. */
  async #tokenRows(tokens: Int32Array): Promise<Float32Array> {
    await using weights = await openWeights(this.#decoderPath);
    return weights.readRows("token_embd.weight", tokens);
  }
}

/** Checks the decoder's header, and sizes its context and batches by the pictures. */
async function sizesOfPair(files: ModelFiles, imageModel: ImageModel): Promise<ReturnType<typeof chatSizes>> {
  await using header = await openWeights(files.decoder);
  checkPairOf(files, header, imageModel);
  return chatSizes(imageModel, header.metadata);
}

/**
 * Loads a vision-language model: `mini`, a directory with a decoder's GGUF and either `mmproj*.gguf` or the Hugging Face
 * checkpoint of tower and projector, or the two named one by one.
 * @throws SightlineError `model-not-found`; `model-mismatch` when the projector's width is not the decoder's
 * @throws WeightsError when a file is damaged, DecoderError when llama.cpp refuses the decoder
 */
export async function loadVisionChat(model: string | ModelPaths = "mini", options: VisionChatOptions = {}): Promise<VisionChat> {
  const started = performance.now();
  const { device = "cpu", precision = "float32", threads, gpuLayers, conversations, preprocessing, panAndScan, embeddingStore, signal, onProgress } = options;
  const files = await findModelFiles(model);
  const imageModel = await readImageModel(files.mmproj, { ...(preprocessing ? { preprocessing } : {}), ...(panAndScan ? { panAndScan } : {}) });
  const sizes = await sizesOfPair(files, imageModel);
  const encoderFingerprint = `${await fingerprintOf(files.mmproj)}, ${preprocessing ?? "huggingface"}, ${precision}`;
  const fingerprint = `${encoderFingerprint}; ${await fingerprintOf(files.decoder)}; ${JSON.stringify(options.decoder ?? {})}`;
  const store = embeddingStore && new EmbeddingStore(embeddingStore, encoderFingerprint);
  signal?.throwIfAborted();
  const tower = openImageEncoder(imageModel, { device, precision, ...(threads === undefined ? {} : { threads }) });
  const decoder = loadDecoder(files.decoder, {
    batchTokens: sizes.batchTokens,
    // In a shared pool every token's attention passes over the pictures of idle neighbours: a tenth of Gemma 3 270M's speed.
    sharedCells: false,
    ...options.decoder,
    contextLength: options.contextLength ?? sizes.contextLength,
    ...(threads === undefined ? {} : { threads }),
    ...(gpuLayers === undefined ? {} : { gpuLayers }),
    ...(conversations === undefined ? {} : { maxSequences: conversations }),
    ...(signal ? { signal } : {}),
    onProgress: (fraction) => onProgress?.({ type: "load", part: "decoder", fraction }),
  });
  // Both load at once; if one fails, the other is freed.
  const [openedTower, openedDecoder] = await Promise.allSettled([tower, decoder]);
  if (openedTower.status === "fulfilled") onProgress?.({ type: "load", part: "tower", fraction: 1 });
  if (openedTower.status === "rejected" || openedDecoder.status === "rejected" || signal?.aborted) {
    if (openedTower.status === "fulfilled") await openedTower.value[Symbol.asyncDispose]();
    if (openedDecoder.status === "fulfilled") await openedDecoder.value[Symbol.asyncDispose]();
    signal?.throwIfAborted();
    throw openedTower.status === "rejected" ? openedTower.reason : (openedDecoder as PromiseRejectedResult).reason;
  }
  return new VisionChat(files, performance.now() - started, openedTower.value, openedDecoder.value, fingerprint, store);
}
