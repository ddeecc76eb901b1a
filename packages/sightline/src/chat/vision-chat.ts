import { createHash } from "node:crypto";
import { performance } from "node:perf_hooks";
import { loadDecoder, type Decoder, type DecoderOptions, type GeneratedTokenLogprob, type GenerateOptions, type Segment } from "@sightline/decoder";
import type { Device } from "@sightline/graph";
import { decodeImage, type DecodedImage, type PreprocessingStyle } from "@sightline/vision-tower";
import { openImageEncoder, type ImageEncoder } from "../image-encoder.js";
import { findModelFiles } from "../models/model-files.js";
import { checkModelPair } from "../models/model-pair.js";
import { SightlineError } from "../sightline-error.js";
import { chatMlTemplate, layOutPrompt, type PromptPiece } from "./chat-template.js";
import { ChatReply, type ChatResult } from "./chat-reply.js";
import { EmbeddingCache } from "./embedding-cache.js";
import { checkMessages, type ChatMessage } from "./messages.js";

export interface VisionChatOptions {
  /** Where the tower runs; the CPU when left out. */
  readonly device?: Device;
  /** Threads of the tower and of the decoder; chosen by each when left out. */
  readonly threads?: number;
  /** Layers of the decoder on a GPU; "auto": as many as its free memory holds. */
  readonly gpuLayers?: number | "auto";
  /** Tokens that a conversation may hold, images included. */
  readonly contextLength?: number;
  /**
   * Replies that are generated together, in shared batches; others wait in line. The memory of the cache is `contextLength`
   * for each. 1 when left out.
   */
  readonly conversations?: number;
  /** Whose way of fitting a picture into the tower's square; transformers', which squashes it, when left out. */
  readonly preprocessing?: PreprocessingStyle;
  /** What else the decoder is loaded with. */
  readonly decoder?: Pick<DecoderOptions, "loraAdapters" | "cacheTypeK" | "cacheTypeV" | "flashAttention" | "tensorSplit" | "mainGpu" | "splitMode" | "batchTokens">;
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
}

/** Bytes of image embeddings that a chat keeps, so that a picture is encoded once in a conversation. */
const embeddingCacheBytes = 64 * 2 ** 20;

/** Projectors whose rows look at each other, both ways, in the decoder (Gemma Team 2025, 2.1: bidirectional image attention). */
const nonCausalProjectors: ReadonlySet<string> = new Set(["gemma3"]);

/**
 * A SigLIP tower and projector joined to a decoder. Conversations run side by side, as many as it was loaded for; what two
 * of them begin with alike is computed once, and a picture is encoded once for all of them.
 */
export class VisionChat implements AsyncDisposable {
  readonly model: string;
  /** How long loading took, ms. */
  readonly loadMs: number;
  /** Images encoded so far; a picture that was seen before is not encoded again. */
  encodes = 0;
  readonly #encoder: ImageEncoder;
  readonly #decoder: Decoder;
  readonly #embeddings = new EmbeddingCache(embeddingCacheBytes);
  readonly #replies = new Set<Promise<unknown>>();
  /** The last picture in line for the tower. */
  #encoding: Promise<unknown> = Promise.resolve();
  #disposed = false;

  /** @internal Use `loadVisionChat`. */
  constructor(model: string, loadMs: number, encoder: ImageEncoder, decoder: Decoder) {
    this.model = model;
    this.loadMs = loadMs;
    this.#encoder = encoder;
    this.#decoder = decoder;
  }

  /**
   * Answers the last message of a conversation. The reply is an async iterable of parts and has a `result`.
   * @throws SightlineError `invalid-message` at once; what fails later rejects the reply
   */
  stream({ messages, ...options }: ChatRequest): ChatReply {
    if (this.#disposed) throw new SightlineError("disposed", "VisionChat.stream: the chat is disposed");
    checkMessages(messages);
    const reply = new ChatReply(options.signal, (controls) => this.#answer(messages, { ...options, signal: controls.signal }, controls.push));
    const ended: Promise<unknown> = reply.result.catch(() => {}).finally(() => this.#replies.delete(ended));
    this.#replies.add(ended);
    return reply;
  }

  /** Waits for the replies under way, then frees tower and decoder. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    await Promise.all(this.#replies);
    await this.#decoder[Symbol.asyncDispose]();
    await this.#encoder[Symbol.asyncDispose]();
  }

  async #answer(messages: readonly ChatMessage[], options: GenerateOptions & { readonly signal: AbortSignal }, push: (text: string, logprobs?: readonly GeneratedTokenLogprob[]) => void): Promise<ChatResult> {
    const started = performance.now();
    const { info } = this.#decoder;
    const pieces = layOutPrompt(info.chatTemplate ?? chatMlTemplate, messages, { bos: info.bosToken?.text ?? "", eos: info.eosToken?.text ?? "" });
    const encoded = await this.#encodeImages(pieces, options.signal);
    const segments = this.#segments(pieces, encoded.embeddings);
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
        imageTokens: usage.embeddingTokens,
        reusedTokens: usage.reusedTokens,
        completionTokens: usage.completionTokens,
      },
      timings: {
        loadMs: this.loadMs,
        preprocessMs: encoded.preprocessMs,
        encodeMs: encoded.encodeMs,
        prefillMs: timings.prefillMs,
        ttftMs: firstTextMs ?? performance.now() - started,
        decodeMs: timings.decodeMs,
        tokensPerSecond: timings.tokensPerSecond,
      },
    };
  }

  /** Embeddings of every image of the prompt, in order; those that are not kept yet are encoded in one batch. */
  async #encodeImages(pieces: readonly PromptPiece[], signal: AbortSignal): Promise<EncodedImages> {
    const started = performance.now();
    const images = await Promise.all(pieces.flatMap((piece) => (piece.type === "image" ? [decodeImage(piece.part.image, { signal })] : [])));
    const ids = images.map(identityOf);
    // One request after the other: who brings a picture that is being encoded for another finds it done.
    const before = this.#encoding;
    const encoded = before.then(() => this.#encodeMissing(images, ids, performance.now() - started, signal));
    this.#encoding = encoded.catch(() => {});
    return encoded;
  }

  async #encodeMissing(images: readonly DecodedImage[], ids: readonly string[], decodeMs: number, signal: AbortSignal): Promise<EncodedImages> {
    signal.throwIfAborted();
    const missing = new Map<string, DecodedImage>();
    images.forEach((image, i) => {
      const id = ids[i] as string;
      if (!this.#embeddings.get(id)) missing.set(id, image);
    });
    const found = new Map(ids.map((id) => [id, this.#embeddings.get(id)]));
    let preprocessMs = decodeMs;
    let encodeMs = 0;
    if (missing.size > 0) {
      const { embeddings, tokensPerImage, width, timings } = await this.#encoder.encode([...missing.values()], { signal });
      this.encodes += missing.size;
      preprocessMs += timings.preprocessMs;
      encodeMs = timings.encodeMs;
      [...missing.keys()].forEach((id, i) => {
        const own = embeddings.slice(i * tokensPerImage * width, (i + 1) * tokensPerImage * width);
        this.#embeddings.set(id, own);
        found.set(id, own);
      });
    }
    return { embeddings: ids.map((id) => ({ id, values: found.get(id) as Float32Array })), preprocessMs, encodeMs };
  }

  /** Scaffolding is tokenised with special tokens, texts of messages without: what looks like one in them stays text. */
  #segments(pieces: readonly PromptPiece[], images: EncodedImages["embeddings"]): Segment[] {
    const { addBos } = this.#decoder.info;
    const attention = nonCausalProjectors.has(this.#encoder.projector) ? "non-causal" : "causal";
    let image = 0;
    return pieces.map((piece, i): Segment => {
      if (piece.type === "image") {
        const { id, values } = images[image++] as EncodedImages["embeddings"][number];
        return { type: "embeddings", embeddings: values, id, attention };
      }
      const specials = piece.type === "scaffold";
      return { type: "tokens", tokens: this.#decoder.tokenize(piece.text, { specials, addBos: i === 0 && addBos && !this.#startsWithBos(piece.text) }) };
    });
  }

  #startsWithBos(text: string): boolean {
    const bos = this.#decoder.info.bosToken?.text;
    return bos !== undefined && bos !== "" && text.startsWith(bos);
  }
}

interface EncodedImages {
  readonly embeddings: readonly { readonly id: string; readonly values: Float32Array }[];
  readonly preprocessMs: number;
  readonly encodeMs: number;
}

/** Two images are one when their pixels are. */
function identityOf({ width, height, data }: DecodedImage): string {
  return createHash("sha256").update(`${width}x${height}:`).update(data).digest("hex");
}

/**
 * Loads a vision-language model: `mini`, or a directory with `mmproj*.gguf` and a decoder's GGUF.
 * @throws SightlineError `model-not-found`; `model-mismatch` when the projector's width is not the decoder's
 * @throws WeightsError when a file is damaged, DecoderError when llama.cpp refuses the decoder
 */
export async function loadVisionChat(model: string = "mini", options: VisionChatOptions = {}): Promise<VisionChat> {
  const started = performance.now();
  const { device = "cpu", threads, gpuLayers, contextLength, conversations, preprocessing, signal, onProgress } = options;
  const files = await findModelFiles(model);
  await checkModelPair(files);
  signal?.throwIfAborted();
  const tower = openImageEncoder(files.mmproj, { device, ...(preprocessing === undefined ? {} : { preprocessing }), ...(threads === undefined ? {} : { threads }) });
  const decoder = loadDecoder(files.decoder, {
    ...options.decoder,
    ...(threads === undefined ? {} : { threads }),
    ...(gpuLayers === undefined ? {} : { gpuLayers }),
    ...(contextLength === undefined ? {} : { contextLength }),
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
  return new VisionChat(files.name, performance.now() - started, openedTower.value, openedDecoder.value);
}
