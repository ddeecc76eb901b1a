import { ApiError, errorBody, postForResponse } from "./api-error";
import { serverSentEvents } from "./server-sent-events";

export type RequestPart = { readonly type: "text"; readonly text: string } | { readonly type: "image_url"; readonly image_url: { readonly url: string; readonly detail: string } };

export interface RequestMessage {
  readonly role: "system" | "user" | "assistant";
  readonly content: string | readonly RequestPart[];
}

export interface ChatRequest {
  readonly model: string;
  readonly messages: readonly RequestMessage[];
  readonly temperature: number;
  readonly max_tokens: number;
}

/** How long an answer took, as the server measured it; times in ms. */
export interface Timings {
  readonly promptTokens?: number;
  readonly tokens?: number;
  readonly tokensPerSecond?: number;
  readonly firstTokenMs?: number;
  readonly encodeMs?: number;
}

export type ChatEvent =
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "end"; readonly finishReason: string | undefined; readonly timings: Timings };

interface Chunk {
  readonly choices?: readonly { readonly delta?: { readonly content?: string | null }; readonly finish_reason?: string | null }[];
  readonly usage?: { readonly prompt_tokens?: number; readonly completion_tokens?: number } | null;
  readonly timings?: { readonly predicted_n?: number; readonly predicted_per_second?: number; readonly ttft_ms?: number; readonly encode_ms?: number };
}

/**
 * An answer as it is generated, and at its end what it took.
 * @throws ApiError when the server refuses, fails half-way, or ends the stream before the answer has ended
 */
export async function* streamChat(chat: ChatRequest, signal: AbortSignal): AsyncGenerator<ChatEvent, void> {
  const response = await postForResponse("/v1/chat/completions", { ...chat, stream: true, stream_options: { include_usage: true } }, signal);
  if (!response.body) throw new ApiError("broken", "The server's answer has no body.");
  let finishReason: string | undefined;
  let timings: Timings = {};
  let complete = false;
  try {
    for await (const { data } of serverSentEvents(response.body)) {
      if (data === "[DONE]") {
        complete = true;
        break;
      }
      const chunk = parseChunk(data);
      for (const choice of chunk.choices ?? []) {
        if (choice.delta?.content) yield { type: "text", text: choice.delta.content };
        finishReason = choice.finish_reason ?? finishReason;
      }
      timings = { ...timings, ...timingsOf(chunk) };
    }
  } catch (cause) {
    signal.throwIfAborted();
    if (cause instanceof ApiError) throw cause;
    throw new ApiError("unreachable", "The connection broke off before the answer was complete.", { cause });
  }
  if (!complete && finishReason === undefined) throw new ApiError("unreachable", "The connection ended before the answer was complete.");
  yield { type: "end", finishReason, timings };
}

function parseChunk(data: string): Chunk {
  const failure = errorBody(data);
  if (failure) throw new ApiError("broken", failure.message, { code: failure.code });
  try {
    return JSON.parse(data) as Chunk;
  } catch (cause) {
    throw new ApiError("broken", "The server sent something that is not JSON.", { cause });
  }
}

function timingsOf({ usage, timings }: Chunk): Timings {
  const known: [keyof Timings, number | undefined][] = [
    ["promptTokens", usage?.prompt_tokens],
    ["tokens", usage?.completion_tokens ?? timings?.predicted_n],
    ["tokensPerSecond", timings?.predicted_per_second],
    ["firstTokenMs", timings?.ttft_ms],
    ["encodeMs", timings?.encode_ms],
  ];
  return Object.fromEntries(known.filter(([, value]) => typeof value === "number" && Number.isFinite(value)));
}
