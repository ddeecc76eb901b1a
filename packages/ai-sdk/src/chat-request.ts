import { InvalidPromptError, UnsupportedFunctionalityError, type LanguageModelV4CallOptions, type SharedV4Warning } from "@ai-sdk/provider";
import type { ChatRequest } from "sightline";
import { chatMessages } from "./chat-messages.js";
import { readCallOptions } from "./sightline-options.js";

/** A call as a request of a chat, and what of it was left out. */
export interface ConvertedCall {
  readonly request: ChatRequest;
  readonly warnings: readonly SharedV4Warning[];
}

/**
 * Sampling of the AI SDK, whose fields are undefined where nothing was asked for; then the likeliest token is taken.
 * @throws UnsupportedFunctionalityError for tools: a decoder that is not told of them would answer as if there were none
 */
export function chatRequest(options: LanguageModelV4CallOptions): ConvertedCall {
  const { maxOutputTokens, temperature, topP, topK, presencePenalty, frequencyPenalty, seed, stopSequences, abortSignal, responseFormat, tools, toolChoice, reasoning } = options;
  if (tools !== undefined && tools.length > 0 && toolChoice?.type !== "none") throw new UnsupportedFunctionalityError({ functionality: "tools" });
  const call = readCallOptions(options.providerOptions);
  const { messages, warnings } = chatMessages(options.prompt, call);
  const sampling = given({ temperature, topP, topK: topK === 0 ? undefined : topK, presencePenalty, frequencyPenalty, seed, minP: call.minP, repeatPenalty: call.repeatPenalty });
  const json = responseFormat?.type === "json" ? (responseFormat.schema ?? true) : undefined;
  if (json !== undefined && call.grammar !== undefined) throw new InvalidPromptError({ prompt: call, message: "sightline: expected a grammar or a JSON response format, got both" });
  const request: ChatRequest = {
    messages,
    sampling,
    ...given({ maxTokens: maxOutputTokens, stop: stopSequences, signal: abortSignal, overflow: call.overflow, grammar: call.grammar }),
    ...(json === undefined ? {} : { jsonSchema: json as NonNullable<ChatRequest["jsonSchema"]> }),
  };
  const noReasoning = reasoning === undefined || reasoning === "provider-default" || reasoning === "none";
  return { request, warnings: noReasoning ? warnings : [...warnings, { type: "unsupported", feature: "reasoning" }] };
}

/** The fields that have a value: a field that is undefined is not one that was left out. */
function given<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as { [K in keyof T]?: Exclude<T[K], undefined> };
}
