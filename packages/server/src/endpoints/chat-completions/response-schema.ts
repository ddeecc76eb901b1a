import { z } from "zod";
import { timingsSchema, type Timings } from "../../chat/answer-figures.js";

interface TokenLogprobOut {
  readonly token: string;
  readonly logprob: number;
  readonly bytes: readonly number[] | null;
}

export interface LogprobsOut {
  readonly content: readonly (TokenLogprobOut & { readonly top_logprobs: readonly TokenLogprobOut[] })[] | null;
  readonly refusal: null;
}

export interface UsageOut {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly total_tokens: number;
  readonly prompt_tokens_details: { readonly cached_tokens: number; readonly image_tokens: number };
}

type FinishReason = "stop" | "length";

export interface ChatCompletion {
  readonly id: string;
  readonly object: "chat.completion";
  readonly created: number;
  readonly model: string;
  readonly choices: readonly {
    readonly index: number;
    readonly message: { readonly role: "assistant"; readonly content: string; readonly refusal: null };
    readonly logprobs: LogprobsOut | null;
    readonly finish_reason: FinishReason;
  }[];
  readonly usage: UsageOut;
  readonly timings: Timings;
}

export interface ChunkChoice {
  readonly index: number;
  readonly delta: { readonly role?: "assistant" | undefined; readonly content?: string | undefined };
  readonly logprobs: LogprobsOut | null;
  readonly finish_reason: FinishReason | null;
}

export interface ChatChunk {
  readonly id: string;
  readonly object: "chat.completion.chunk";
  readonly created: number;
  readonly model: string;
  readonly choices: readonly ChunkChoice[];
  readonly usage?: UsageOut | null | undefined;
  readonly timings?: Timings | undefined;
}

const tokenLogprob = z.object({ token: z.string(), logprob: z.number(), bytes: z.array(z.int()).readonly().nullable() });

const logprobsSchema = z.object({ content: z.array(tokenLogprob.extend({ top_logprobs: z.array(tokenLogprob) })).nullable(), refusal: z.null() });

const usageSchema = z.object({
  prompt_tokens: z.int(),
  completion_tokens: z.int(),
  total_tokens: z.int(),
  prompt_tokens_details: z.object({ cached_tokens: z.int(), image_tokens: z.int() }),
});

const finishReason = z.enum(["stop", "length"]);

export const chatCompletion: z.ZodType<ChatCompletion> = z
  .object({
    id: z.string(),
    object: z.literal("chat.completion"),
    created: z.int(),
    model: z.string(),
    choices: z.array(
      z.object({
        index: z.int(),
        message: z.object({ role: z.literal("assistant"), content: z.string(), refusal: z.null() }),
        logprobs: logprobsSchema.nullable(),
        finish_reason: finishReason,
      }),
    ),
    usage: usageSchema,
    timings: timingsSchema,
  })
  .meta({ id: "ChatCompletion" });

export const chatChunk: z.ZodType<ChatChunk> = z
  .object({
    id: z.string(),
    object: z.literal("chat.completion.chunk"),
    created: z.int(),
    model: z.string(),
    choices: z.array(
      z.object({
        index: z.int(),
        delta: z.object({ role: z.literal("assistant").optional(), content: z.string().optional() }),
        logprobs: logprobsSchema.nullable(),
        finish_reason: finishReason.nullable(),
      }),
    ),
    usage: usageSchema.nullish().describe("In the chunk after the last, whose choices are empty, where stream_options.include_usage asks for it."),
    timings: timingsSchema.optional().describe("In the last chunk that has a choice, and in that of the usage."),
  })
  .meta({ id: "ChatCompletionChunk" });
