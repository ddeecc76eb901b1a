import type { ChatResult } from "sightline";
import { finishReason, type Answer } from "../../chat/answer.js";
import { timingsOf } from "../../chat/answer-figures.js";
import type { ServerSentEvent } from "../../http/server-sent-events.js";
import { toApiError } from "../../to-api-error.js";
import type { ResponsesRequest } from "./request-schema.js";
import type { OutputMessage, OutputText, ResponseObject } from "./response-schema.js";

/** What stays the same from the first event to the last. */
export interface ResponseHead {
  readonly id: string;
  readonly messageId: string;
  readonly answer: Answer;
  readonly request: ResponsesRequest;
}

/** The answer as one object. */
export function finishedResponse(head: ResponseHead, result: ChatResult): ResponseObject {
  const complete = finishReason(result) === "stop";
  const { usage } = result;
  return {
    ...begunResponse(head),
    status: complete ? "completed" : "incomplete",
    incomplete_details: complete ? null : { reason: "max_output_tokens" },
    output: [messageOf(head, complete ? "completed" : "incomplete", [outputText(result.text)])],
    usage: {
      input_tokens: usage.promptTokens,
      input_tokens_details: { cached_tokens: usage.reusedTokens, image_tokens: usage.imageTokens },
      output_tokens: usage.completionTokens,
      output_tokens_details: { reasoning_tokens: 0 },
      total_tokens: usage.promptTokens + usage.completionTokens,
    },
    timings: timingsOf(result),
  };
}

/** The answer as OpenAI's Responses API streams it. */
export async function* responseEvents(head: ResponseHead): AsyncGenerator<ServerSentEvent, void> {
  let number = 0;
  const event = (type: string, fields: object): ServerSentEvent => ({ event: type, data: JSON.stringify({ type, sequence_number: number++, ...fields }) });
  const place = { item_id: head.messageId, output_index: 0, content_index: 0 };
  yield event("response.created", { response: begunResponse(head) });
  yield event("response.in_progress", { response: begunResponse(head) });
  try {
    yield event("response.output_item.added", { output_index: 0, item: messageOf(head, "in_progress", []) });
    yield event("response.content_part.added", { ...place, part: outputText("") });
    for await (const { text } of head.answer.parts) if (text !== "") yield event("response.output_text.delta", { ...place, delta: text, logprobs: [] });
    const response = finishedResponse(head, await head.answer.result);
    const [item] = response.output as [OutputMessage];
    const [part] = item.content as [OutputText];
    yield event("response.output_text.done", { ...place, text: part.text, logprobs: [] });
    yield event("response.content_part.done", { ...place, part });
    yield event("response.output_item.done", { output_index: 0, item });
    yield event(`response.${response.status}`, { response });
  } catch (error) {
    const { code, message } = toApiError(error);
    yield event("response.failed", { response: { ...begunResponse(head), status: "failed", error: { code: code ?? "server_error", message } } satisfies ResponseObject });
  }
}

function begunResponse({ id, answer, request }: ResponseHead): ResponseObject {
  return {
    id,
    object: "response",
    created_at: answer.created,
    status: "in_progress",
    error: null,
    incomplete_details: null,
    instructions: request.instructions ?? null,
    max_output_tokens: request.max_output_tokens ?? null,
    model: answer.model,
    output: [],
    parallel_tool_calls: false,
    previous_response_id: null,
    store: false,
    temperature: request.temperature ?? null,
    top_p: request.top_p ?? null,
    text: { format: { type: request.text?.format?.type ?? "text" } },
    tool_choice: "none",
    tools: [],
    truncation: "disabled",
    metadata: request.metadata ?? {},
    usage: null,
  };
}

function messageOf({ messageId }: ResponseHead, status: OutputMessage["status"], content: readonly OutputText[]): OutputMessage {
  return { type: "message", id: messageId, status, role: "assistant", content };
}

function outputText(text: string): OutputText {
  return { type: "output_text", text, annotations: [] };
}
