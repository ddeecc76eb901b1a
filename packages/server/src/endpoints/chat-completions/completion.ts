import type { ChatPart, ChatResult, GeneratedTokenLogprob, TokenLogprob } from "sightline";
import { finishReason, type Answer } from "../../chat/answer.js";
import { timingsOf } from "../../chat/answer-figures.js";
import type { ServerSentEvent } from "../../http/server-sent-events.js";
import { toApiError } from "../../to-api-error.js";
import type { ChatChunk, ChatCompletion, ChunkChoice, LogprobsOut, UsageOut } from "./response-schema.js";

/** The whole answer as one object. */
export function completion(id: string, { model, created }: Answer, result: ChatResult): ChatCompletion {
  return {
    id,
    object: "chat.completion",
    created,
    model,
    choices: [{ index: 0, message: { role: "assistant", content: result.text, refusal: null }, logprobs: logprobsOf(result.logprobs), finish_reason: finishReason(result) }],
    usage: usageOf(result),
    timings: timingsOf(result),
  };
}

/** The answer as OpenAI streams it: the role, text as it comes, the finish reason, the usage where it was asked for, and [DONE]. */
export async function* completionChunks(id: string, { model, created, parts, result }: Answer, { includeUsage }: { readonly includeUsage: boolean }): AsyncGenerator<ServerSentEvent, void> {
  const head = { id, object: "chat.completion.chunk" as const, created, model };
  const chunk = (choice: Omit<ChunkChoice, "index">, more: Partial<ChatChunk> = {}): ServerSentEvent =>
    event({ ...head, choices: [{ index: 0, ...choice }], ...(includeUsage ? { usage: null } : {}), ...more });
  yield chunk({ delta: { role: "assistant", content: "" }, logprobs: null, finish_reason: null });
  try {
    for await (const part of parts) yield chunk({ delta: { content: part.text }, logprobs: logprobsOf(part.logprobs), finish_reason: null });
    const ended = await result;
    const timings = timingsOf(ended);
    yield chunk({ delta: {}, logprobs: null, finish_reason: finishReason(ended) }, { timings });
    if (includeUsage) yield event({ ...head, choices: [], usage: usageOf(ended), timings });
  } catch (error) {
    yield { data: JSON.stringify(toApiError(error).body()) };
  }
  yield { data: "[DONE]" };
}

function event(chunk: ChatChunk): ServerSentEvent {
  return { data: JSON.stringify(chunk) };
}

function usageOf({ usage }: ChatResult): UsageOut {
  return {
    prompt_tokens: usage.promptTokens,
    completion_tokens: usage.completionTokens,
    total_tokens: usage.promptTokens + usage.completionTokens,
    prompt_tokens_details: { cached_tokens: usage.reusedTokens, image_tokens: usage.imageTokens },
  };
}

function logprobsOf(logprobs: ChatPart["logprobs"]): LogprobsOut | null {
  if (logprobs === undefined) return null;
  return { content: logprobs.map((token: GeneratedTokenLogprob) => ({ ...spelled(token), top_logprobs: token.top.map(spelled) })), refusal: null };
}

/** OpenAI writes what has no probability as -9999. */
function spelled({ text, logprob, bytes }: TokenLogprob): { token: string; logprob: number; bytes: number[] } {
  return { token: text, logprob: Number.isFinite(logprob) ? logprob : -9999, bytes: [...bytes] };
}
