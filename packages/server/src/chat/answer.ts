import type { ChatMessage, ChatPart, ChatResult, GenerateOptions } from "sightline";
import { ClientGoneError, CutShortError, type RequestScope } from "../http/request-scope.js";
import type { ServedChat } from "../models/served-model.js";
import type { ServerContext } from "../server-context.js";

/** An answer whose stream begins without a word after this long, so that clients and proxies see that it lives, ms. */
const silenceMs = 1500;

export interface ChatQuestion {
  readonly messages: readonly ChatMessage[];
  readonly options: GenerateOptions;
}

/** An answer under way. */
export interface Answer {
  readonly model: string;
  /** Unix time, seconds. */
  readonly created: number;
  /** Ends where the answer was cut short, and throws what failed. */
  readonly parts: AsyncIterable<ChatPart>;
  readonly result: Promise<ChatResult>;
}

/**
 * Waits for a turn with a model and begins an answer; its turn ends with it.
 * @throws whatever fails until the first text, or for a second and a half, so that it has a status of its own
 */
export async function beginAnswer(server: ServerContext, scope: RequestScope, served: ServedChat, { messages, options }: ChatQuestion): Promise<Answer> {
  const turn = await server.models.turn(served, scope.signal);
  let result: Promise<ChatResult>;
  let parts: AsyncIterator<ChatPart>;
  try {
    const reply = turn.model.stream({ ...options, messages, signal: scope.signal });
    parts = reply[Symbol.asyncIterator]();
    result = reply.result.then((ended) => noted(server, scope, served.name, ended)).finally(() => turn[Symbol.dispose]());
    result.catch(() => {});
  } catch (error) {
    turn[Symbol.dispose]();
    throw error;
  }
  const first = parts.next();
  await untilSettled(first, silenceMs);
  return { model: served.name, created: Math.floor(Date.now() / 1000), parts: joined(first, parts), result };
}

/** The whole answer. Throws the reason where nothing was said before it was cut short. */
export async function wholeAnswer({ result }: Answer, { signal }: RequestScope): Promise<ChatResult> {
  const ended = await result;
  if (ended.finishReason === "aborted" && (ended.text === "" || signal.reason instanceof ClientGoneError)) signal.throwIfAborted();
  return ended;
}

/** "length" for an answer that ran out of tokens, context or time. */
export function finishReason({ finishReason: reason }: ChatResult): "stop" | "length" {
  return reason === "stop" ? "stop" : "length";
}

async function* joined(first: Promise<IteratorResult<ChatPart>>, rest: AsyncIterator<ChatPart>): AsyncGenerator<ChatPart, void> {
  try {
    for (let next = await first; next.done !== true; next = await rest.next()) yield next.value;
  } finally {
    await rest.return?.();
  }
}

function noted({ metrics }: ServerContext, { facts, signal }: RequestScope, model: string, result: ChatResult): ChatResult {
  const { usage, timings } = result;
  const aborted = result.finishReason === "aborted" && !(signal.reason instanceof CutShortError);
  metrics.answer(model, { ttftMs: timings.ttftMs, prompt: usage.promptTokens, reused: usage.reusedTokens, image: usage.imageTokens, completion: usage.completionTokens, aborted });
  Object.assign(facts, { promptTokens: usage.promptTokens, completionTokens: usage.completionTokens, ttftMs: Math.round(timings.ttftMs), finish: result.finishReason });
  return result;
}

/** Waits until a promise settles, at most so long; throws what it throws in that time. */
async function untilSettled(promise: Promise<unknown>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, ms)));
  try {
    await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
    promise.catch(() => {});
  }
}
