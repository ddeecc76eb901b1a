import { z } from "zod";
import type { DetailAsked } from "../chat-completions/request-schema.js";

type Maybe<T> = T | null | undefined;

export type InputPart =
  | { readonly type: "input_text" | "output_text"; readonly text: string }
  | { readonly type: "input_image"; readonly image_url: string; readonly detail?: DetailAsked };

export interface InputMessage {
  readonly type?: Maybe<"message">;
  readonly role: "system" | "developer" | "user" | "assistant";
  readonly content: string | readonly InputPart[];
}

export type TextFormat =
  | { readonly type: "text" }
  | { readonly type: "json_object" }
  | { readonly type: "json_schema"; readonly name?: Maybe<string>; readonly schema: Readonly<Record<string, unknown>> };

/** What is read of a request; other fields are passed over. */
export interface ResponsesRequest {
  readonly model?: Maybe<string>;
  readonly input: string | readonly InputMessage[];
  readonly instructions?: Maybe<string>;
  readonly stream?: Maybe<boolean>;
  readonly max_output_tokens?: Maybe<number>;
  readonly temperature?: Maybe<number>;
  readonly top_p?: Maybe<number>;
  readonly text?: Maybe<{ readonly format?: Maybe<TextFormat> }>;
  readonly previous_response_id?: Maybe<string>;
  readonly background?: Maybe<boolean>;
  readonly metadata?: Maybe<Readonly<Record<string, string>>>;
  readonly tools?: Maybe<readonly unknown[]>;
  readonly tool_choice?: unknown;
}

const textPart = z.object({ type: z.enum(["input_text", "output_text"]), text: z.string() });
const imagePart = z.object({
  type: z.literal("input_image"),
  image_url: z.string({ error: "expected a data: URL, plain base64, an https: URL of an allowed host, or a file below the media folder; files are not kept here" }).min(1),
  detail: z.enum(["low", "high", "auto", "original"]).nullish(),
});

const message = z.object({
  type: z.literal("message", { error: 'expected items of type "message"; tools are not supported' }).nullish(),
  role: z.enum(["system", "developer", "user", "assistant"]),
  content: z.union([z.string(), z.array(z.discriminatedUnion("type", [textPart, imagePart], { error: 'expected a part of type "input_text", "input_image" or "output_text"' })).max(1024)]),
});

const format = z.discriminatedUnion("type", [
  z.object({ type: z.literal("text") }),
  z.object({ type: z.literal("json_object") }),
  z.object({ type: z.literal("json_schema"), name: z.string().nullish(), schema: z.record(z.string(), z.unknown()) }),
]);

export const responsesRequest: z.ZodType<ResponsesRequest> = z
  .object({
    model: z.string().nullish().describe("A name of GET /v1/models; the first chat model when left out."),
    input: z.union([z.string(), z.array(message).min(1).max(2048)]),
    instructions: z.string().nullish().describe("Stands before the input as a system message."),
    stream: z.boolean().nullish(),
    max_output_tokens: z.int().min(1).nullish(),
    temperature: z.number().min(0).max(2).nullish().describe("0, the most likely token, when neither it nor top_p is given."),
    top_p: z.number().min(0).max(1).nullish(),
    text: z.object({ format: format.nullish() }).nullish(),
    previous_response_id: z.null({ error: "expected none: responses are not kept; send the conversation as input" }).optional(),
    background: z.literal(false, { error: "expected false: responses are not kept" }).nullish(),
    metadata: z.record(z.string(), z.string()).nullish(),
    tools: z.array(z.unknown()).nullish().describe("Refused unless empty."),
    tool_choice: z.unknown().optional(),
  })
  .meta({ id: "ResponsesRequest" });
