import { beginAnswer, wholeAnswer } from "../../chat/answer.js";
import { answerSchema } from "../../chat/answer-schema.js";
import { generationOptions } from "../../chat/generation-options.js";
import { chatMessages, type AskedMessage, type AskedPart } from "../../chat/messages.js";
import { refuseTools } from "../../chat/refuse-tools.js";
import { postEndpoint, type Endpoint } from "../../endpoint.js";
import { eventStream } from "../../http/server-sent-events.js";
import { RequestImages } from "../../images/request-images.js";
import { responsesRequest, type InputMessage, type ResponsesRequest } from "./request-schema.js";
import { finishedResponse, responseEvents } from "./response-events.js";
import { responseObject } from "./response-schema.js";

export const responses: Endpoint = postEndpoint({
  path: "/responses",
  id: "createResponse",
  summary: "Answers texts and images as OpenAI's Responses API does, whole or as a stream of events. Nothing is kept.",
  request: responsesRequest,
  response: responseObject,
  streams: true,
  async handle({ server, scope, body }) {
    refuseTools(body);
    const served = server.models.find("chat", body.model);
    scope.facts["model"] = served.name;
    const { limits } = server.settings;
    const options = generationOptions({ maxTokens: body.max_output_tokens, temperature: body.temperature, topP: body.top_p, schema: answerSchema(body.text?.format, "text.format") }, limits);
    const images = new RequestImages(server.images, limits, scope.signal);
    const messages = await chatMessages(askedMessages(body), images, limits);
    scope.facts["images"] = images.count;
    server.metrics.images("/responses", images.count);
    const answer = await beginAnswer(server, scope, served, { messages, options });
    const head = { id: `resp_${scope.id}`, messageId: `msg_${scope.id}`, answer, request: body };
    if (body.stream === true) return eventStream(responseEvents(head));
    return Response.json(finishedResponse(head, await wholeAnswer(answer, scope)));
  },
});

function askedMessages({ input, instructions }: ResponsesRequest): AskedMessage[] {
  const items: readonly InputMessage[] = typeof input === "string" ? [{ role: "user", content: input }] : input;
  const asked = items.map(({ role, content }, m): AskedMessage => ({
    role: role === "developer" ? "system" : role,
    parts: typeof content === "string" ? [{ text: content }] : content.map((part, p): AskedPart => (part.type === "input_image" ? { image: part.image_url, detail: part.detail, param: `input[${m}].content[${p}].image_url` } : { text: part.text })),
  }));
  return instructions ? [{ role: "system", parts: [{ text: instructions }] }, ...asked] : asked;
}
