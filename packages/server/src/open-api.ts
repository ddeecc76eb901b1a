import { z } from "zod";
import { chatChunk } from "./endpoints/chat-completions/response-schema.js";
import type { Endpoint } from "./endpoint.js";
import { endpoints } from "./endpoints/endpoints.js";

const errorResponse = z
  .object({ error: z.object({ message: z.string(), type: z.string(), param: z.string().nullable(), code: z.string().nullable() }) })
  .meta({ id: "Error" });

/** What each endpoint streams, where it does. */
const streamed: Readonly<Record<string, z.ZodType>> = { createChatCompletion: chatChunk };

type Json = Record<string, unknown>;

/** The OpenAPI 3.1 document of the API, made from the schemas that requests are checked with. */
export function openApiDocument(): object {
  const components: Json = {};
  const schema = (type: z.ZodType, io: "input" | "output"): Json => {
    const { $schema: _, $defs, ...rest } = z.toJSONSchema(type, { target: "draft-2020-12", io, unrepresentable: "any" }) as Json & { $defs?: Json };
    for (const [name, definition] of Object.entries($defs ?? {})) components[name] = relocated(definition);
    const id = rest["id"];
    if (typeof id !== "string") return relocated(rest) as Json;
    components[id] = relocated(without(rest, "id"));
    return { $ref: `#/components/schemas/${id}` };
  };
  const error = { description: "What is wrong, in OpenAI's shape.", content: { "application/json": { schema: schema(errorResponse, "output") } } };
  const paths: Record<string, Json> = {};
  for (const endpoint of endpoints) {
    const { method, path, id, summary, request, open } = endpoint;
    (paths[`/v1${path}`] ??= {})[method.toLowerCase()] = {
      operationId: id,
      summary,
      ...(path.includes("{id}") ? { parameters: [{ name: "id", in: "path", required: true, schema: { type: "string" } }] } : {}),
      ...(request ? { requestBody: { required: true, content: { "application/json": { schema: schema(request, "input") } } } } : {}),
      responses: { 200: { description: "OK", content: answered(endpoint, schema) }, default: error },
      ...(open === true ? { security: [] } : {}),
    };
  }
  return {
    openapi: "3.1.0",
    info: { title: "Sightline", version: "0.1.0", description: "Chats about images, embeddings and tags. Every path is served without /v1 as well. Fields of a request that are not listed are passed over." },
    servers: [{ url: "/" }],
    security: [{ bearer: [] }, {}],
    paths,
    components: { securitySchemes: { bearer: { type: "http", scheme: "bearer" } }, schemas: components },
  };
}

function answered({ id, response, streams }: Endpoint, schema: (type: z.ZodType, io: "input" | "output") => Json): Json {
  const whole = response ? { "application/json": { schema: schema(response, "output") } } : streams === true ? {} : { "text/plain": { schema: { type: "string" } } };
  const type = streamed[id];
  return { ...whole, ...(streams === true ? { "text/event-stream": { schema: type ? schema(type, "output") : { type: "string" } } } : {}) };
}

/** References that zod puts below `$defs` are below `components` here. */
function relocated(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(relocated);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, key === "$ref" && typeof inner === "string" ? inner.replace("#/$defs/", "#/components/schemas/") : relocated(inner)]));
}

function without(object: Json, key: string): Json {
  const { [key]: _, ...rest } = object;
  return rest;
}
