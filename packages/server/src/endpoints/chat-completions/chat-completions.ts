import { beginAnswer, wholeAnswer } from "../../chat/answer.js";
import { answerSchema } from "../../chat/answer-schema.js";
import { generationOptions } from "../../chat/generation-options.js";
import { chatMessages, type AskedMessage, type AskedPart } from "../../chat/messages.js";
import { refuseTools } from "../../chat/refuse-tools.js";
import { ApiError } from "../../api-error.js";
import { postEndpoint, type Endpoint } from "../../endpoint.js";
import { eventStream } from "../../http/server-sent-events.js";
import { RequestImages } from "../../images/request-images.js";
import { completion, completionChunks } from "./completion.js";
import { chatRequest, type ChatCompletionRequest } from "./request-schema.js";
import { chatCompletion } from "./response-schema.js";

export const chatCompletions: Endpoint = postEndpoint({
  path: "/chat/completions",
  id: "createChatCompletion",
  summary: "Answers a conversation with images, whole or as a stream of chunks.",
  request: chatRequest,
  response: chatCompletion,
  streams: true,
  async handle({ server, scope, body }) {
    refuseTools(body);
    if (body.top_logprobs !== undefined && body.top_logprobs !== null && body.logprobs !== true) throw new ApiError(400, "top_logprobs: expected logprobs: true beside it", { param: "top_logprobs", code: "invalid_value" });
    const served = server.models.find("chat", body.model);
    scope.facts["model"] = served.name;
    const { limits } = server.settings;
    const options = generationOptions(answerSettings(body), limits);
    const images = new RequestImages(server.images, limits, scope.signal);
    const messages = await chatMessages(askedMessages(body), images, limits);
    scope.facts["images"] = images.count;
    server.metrics.images("/chat/completions", images.count);
    const answer = await beginAnswer(server, scope, served, { messages, options });
    const id = `chatcmpl-${scope.id}`;
    if (body.stream === true) return eventStream(completionChunks(id, answer, { includeUsage: body.stream_options?.include_usage === true }));
    return Response.json(completion(id, answer, await wholeAnswer(answer, scope)));
  },
});

function askedMessages({ messages }: ChatCompletionRequest): AskedMessage[] {
  return messages.map(({ role, content }, m) => ({
    role: role === "developer" ? "system" : role,
    parts: typeof content === "string" || !content ? [{ text: content ?? "" }] : content.map((part, p): AskedPart => {
      if (part.type === "text") return { text: part.text };
      if (part.type === "refusal") return { text: part.refusal };
      const url = part.image_url;
      const param = `messages[${m}].content[${p}].image_url`;
      return typeof url === "string" ? { image: url, detail: part.detail, param } : { image: url.url, detail: url.detail ?? part.detail, param };
    }),
  }));
}

function answerSettings(body: ChatCompletionRequest): Parameters<typeof generationOptions>[0] {
  const format = body.response_format;
  return {
    maxTokens: body.max_completion_tokens ?? body.max_tokens,
    temperature: body.temperature,
    topP: body.top_p,
    topK: body.top_k,
    minP: body.min_p,
    repeatPenalty: body.repeat_penalty,
    frequencyPenalty: body.frequency_penalty,
    presencePenalty: body.presence_penalty,
    logitBias: body.logit_bias,
    seed: body.seed,
    stop: body.stop,
    ignoreEnd: body.ignore_eos,
    ...(body.logprobs === true ? { logprobs: body.top_logprobs ?? 0 } : {}),
    schema: answerSchema(format?.type === "json_schema" ? { type: "json_schema", schema: format.json_schema.schema } : format, "response_format"),
  };
}
