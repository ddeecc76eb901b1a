import { InvalidPromptError, type JSONObject, type LanguageModelV4, type LanguageModelV4CallOptions, type LanguageModelV4FinishReason, type LanguageModelV4GenerateResult, type LanguageModelV4StreamPart, type LanguageModelV4StreamResult, type LanguageModelV4Usage, type SharedV4Warning } from "@ai-sdk/provider";
import { SightlineError, type ChatReply, type ChatResult, type VisionChat } from "sightline";
import { chatRequest } from "./chat-request.js";

/** A vision chat as a language model of the AI SDK; the chat is loaded at the first call. */
export class SightlineLanguageModel implements LanguageModelV4 {
  readonly specificationVersion = "v4";
  readonly provider = "sightline";
  readonly modelId: string;
  /** No URL is opened here: the AI SDK downloads pictures, by its own rules, and hands over bytes. */
  readonly supportedUrls: Record<string, RegExp[]> = {};
  readonly #chat: () => Promise<VisionChat>;

  constructor(modelId: string, chat: () => Promise<VisionChat>) {
    this.modelId = modelId;
    this.#chat = chat;
  }

  async doGenerate(options: LanguageModelV4CallOptions): Promise<LanguageModelV4GenerateResult> {
    const { request, warnings } = chatRequest(options);
    const result = await start(await this.#loaded(options.abortSignal), request).result;
    // A reply that was aborted has a text so far, and whoever aborted it wants none.
    options.abortSignal?.throwIfAborted();
    return { content: [{ type: "text", text: result.text }], ...ending(result), response: this.#response(), warnings: [...warnings] };
  }

  async doStream(options: LanguageModelV4CallOptions): Promise<LanguageModelV4StreamResult> {
    const { request, warnings } = chatRequest(options);
    const left = new AbortController();
    const signal = options.abortSignal ? AbortSignal.any([options.abortSignal, left.signal]) : left.signal;
    const reply = start(await this.#loaded(signal), { ...request, signal });
    const parts = this.#parts(reply, warnings, signal);
    const stream = new ReadableStream<LanguageModelV4StreamPart>(
      {
        pull: async (controller) => {
          const { done, value } = await parts.next();
          if (done) controller.close();
          else controller.enqueue(value);
        },
        // A pull may be waiting for the next text; ending the reply ends that wait.
        cancel: async () => {
          left.abort();
          await reply.result.catch(() => undefined);
        },
      },
      { highWaterMark: 0 },
    );
    return { stream };
  }

  async *#parts(reply: ChatReply, warnings: readonly SharedV4Warning[], signal: AbortSignal): AsyncGenerator<LanguageModelV4StreamPart, void> {
    const id = "0";
    yield { type: "stream-start", warnings: [...warnings] };
    yield { type: "response-metadata", ...this.#response() };
    let open = false;
    try {
      for await (const { text } of reply) {
        if (!open) yield { type: "text-start", id };
        open = true;
        yield { type: "text-delta", id, delta: text };
      }
      const result = await reply.result;
      signal.throwIfAborted();
      if (open) yield { type: "text-end", id };
      yield { type: "finish", ...ending(result) };
    } catch (error) {
      if (open) yield { type: "text-end", id };
      yield { type: "error", error };
    }
  }

  #response(): { readonly timestamp: Date; readonly modelId: string } {
    return { timestamp: new Date(), modelId: this.modelId };
  }

  /** Loading goes on for others when one caller gives up. */
  async #loaded(signal: AbortSignal | undefined): Promise<VisionChat> {
    signal?.throwIfAborted();
    const chat = await this.#chat();
    signal?.throwIfAborted();
    return chat;
  }
}

function start(chat: VisionChat, request: Parameters<VisionChat["stream"]>[0]): ChatReply {
  try {
    return chat.stream(request);
  } catch (cause) {
    if (cause instanceof SightlineError && cause.code === "invalid-message") throw new InvalidPromptError({ prompt: request.messages, message: cause.message, cause });
    throw cause;
  }
}

const finishReasons: Readonly<Record<ChatResult["finishReason"], LanguageModelV4FinishReason["unified"]>> = { stop: "stop", length: "length", aborted: "interrupted" };

/** How a reply ended, as the AI SDK counts: input tokens that the KV cache held are `cacheRead`. */
function ending({ finishReason, usage, timings }: ChatResult): Pick<LanguageModelV4GenerateResult, "finishReason" | "usage"> & { readonly providerMetadata: { readonly sightline: JSONObject } } {
  const { promptTokens, imageTokens, reusedTokens, completionTokens, droppedMessages } = usage;
  const counted: LanguageModelV4Usage = {
    inputTokens: { total: promptTokens, noCache: promptTokens - reusedTokens, cacheRead: reusedTokens, cacheWrite: undefined },
    outputTokens: { total: completionTokens, text: completionTokens, reasoning: undefined },
    raw: { promptTokens, imageTokens, reusedTokens, completionTokens, droppedMessages },
  };
  return { finishReason: { unified: finishReasons[finishReason], raw: finishReason }, usage: counted, providerMetadata: { sightline: { imageTokens, droppedMessages, timings: { ...timings } } } };
}
