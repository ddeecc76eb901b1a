import { z } from "zod";

type Maybe<T> = T | null | undefined;
export type DetailAsked = Maybe<"low" | "high" | "auto" | "original">;

export type ContentPart =
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "refusal"; readonly refusal: string }
  | { readonly type: "image_url"; readonly image_url: string | { readonly url: string; readonly detail?: DetailAsked }; readonly detail?: DetailAsked };

export interface MessageAsked {
  readonly role: "system" | "developer" | "user" | "assistant";
  readonly content?: Maybe<string | readonly ContentPart[]>;
}

export type ResponseFormat =
  | { readonly type: "text" }
  | { readonly type: "json_object" }
  | { readonly type: "json_schema"; readonly json_schema: { readonly schema: Readonly<Record<string, unknown>> } };

/** What is read of a request; other fields are passed over. */
export interface ChatCompletionRequest {
  readonly model?: Maybe<string>;
  readonly messages: readonly MessageAsked[];
  readonly stream?: Maybe<boolean>;
  readonly stream_options?: Maybe<{ readonly include_usage?: Maybe<boolean> }>;
  readonly max_tokens?: Maybe<number>;
  readonly max_completion_tokens?: Maybe<number>;
  readonly temperature?: Maybe<number>;
  readonly top_p?: Maybe<number>;
  readonly top_k?: Maybe<number>;
  readonly min_p?: Maybe<number>;
  readonly repeat_penalty?: Maybe<number>;
  readonly frequency_penalty?: Maybe<number>;
  readonly presence_penalty?: Maybe<number>;
  readonly logit_bias?: Maybe<Readonly<Record<string, number>>>;
  readonly seed?: Maybe<number>;
  readonly stop?: Maybe<string | readonly string[]>;
  readonly n?: Maybe<1>;
  readonly logprobs?: Maybe<boolean>;
  readonly top_logprobs?: Maybe<number>;
  readonly response_format?: Maybe<ResponseFormat>;
  readonly ignore_eos?: Maybe<boolean>;
  readonly tools?: Maybe<readonly unknown[]>;
  readonly tool_choice?: unknown;
  readonly functions?: Maybe<readonly unknown[]>;
}

const detail = z.enum(["low", "high", "auto", "original"]).nullish().describe("How closely to look: whole and once, in all parts that the model knows, or as the model does.");

const textPart = z.object({ type: z.literal("text"), text: z.string() });
const refusalPart = z.object({ type: z.literal("refusal"), refusal: z.string() });
const imagePart = z.object({
  type: z.literal("image_url"),
  image_url: z.union([z.string().min(1), z.object({ url: z.string().min(1), detail })]).describe("A data: URL, plain base64, an https: URL of an allowed host, or a file below the media folder."),
  detail,
});

const message = z.object({
  role: z.enum(["system", "developer", "user", "assistant"], { error: 'expected "system", "developer", "user" or "assistant"; tools are not supported' }),
  content: z.union([z.string(), z.array(z.discriminatedUnion("type", [textPart, imagePart, refusalPart], { error: 'expected a part of type "text" or "image_url"' })).max(1024)]).nullish(),
});

const jsonSchema = z.record(z.string(), z.unknown());

export const responseFormat: z.ZodType<ResponseFormat> = z.discriminatedUnion("type", [
  z.object({ type: z.literal("text") }),
  z.object({ type: z.literal("json_object") }),
  z.object({ type: z.literal("json_schema"), json_schema: z.object({ name: z.string().nullish(), description: z.string().nullish(), schema: jsonSchema, strict: z.boolean().nullish() }) }),
]);

const maxTokens = z.int().min(1).nullish();
const penalty = z.number().min(-2).max(2).nullish();

export const chatRequest: z.ZodType<ChatCompletionRequest> = z
  .object({
    model: z.string().nullish().describe("A name of GET /v1/models; the first chat model when left out."),
    messages: z.array(message).min(1).max(2048),
    stream: z.boolean().nullish(),
    stream_options: z.object({ include_usage: z.boolean().nullish() }).nullish(),
    max_tokens: maxTokens,
    max_completion_tokens: maxTokens,
    temperature: z.number().min(0).max(2).nullish().describe("0, the most likely token, when neither it nor top_p is given."),
    top_p: z.number().min(0).max(1).nullish(),
    top_k: z.int().min(0).max(1_000_000).nullish(),
    min_p: z.number().min(0).max(1).nullish(),
    repeat_penalty: z.number().min(0.01).max(100).nullish(),
    frequency_penalty: penalty,
    presence_penalty: penalty,
    logit_bias: z.record(z.string().regex(/^\d{1,9}$/, "expected token ids"), z.number().min(-100).max(100)).nullish(),
    seed: z.number().min(-(2 ** 63)).max(2 ** 63).refine(Number.isInteger, "expected a whole number").nullish().describe("A whole number of 64 bits; the same one gives the same answer."),
    stop: z.union([z.string().min(1).max(256), z.array(z.string().min(1).max(256)).max(16)]).nullish(),
    n: z.literal(1, { error: "expected 1; one answer a request is all that is supported" }).nullish(),
    logprobs: z.boolean().nullish(),
    top_logprobs: z.int().min(0).max(20).nullish(),
    response_format: responseFormat.nullish(),
    ignore_eos: z.boolean().nullish().describe("As llama-server has it: goes on when the model ends its answer, to measure."),
    tools: z.array(z.unknown()).nullish().describe("Refused unless empty."),
    tool_choice: z.unknown().optional(),
    functions: z.array(z.unknown()).nullish().describe("Refused unless empty."),
  })
  .meta({ id: "ChatCompletionRequest" });
