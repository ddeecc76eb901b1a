import { z } from "zod";
import { timingsSchema, type Timings } from "../../chat/answer-figures.js";

type Status = "in_progress" | "completed" | "incomplete" | "failed";

export interface OutputText {
  readonly type: "output_text";
  readonly text: string;
  readonly annotations: readonly never[];
}

export interface OutputMessage {
  readonly type: "message";
  readonly id: string;
  readonly status: "in_progress" | "completed" | "incomplete";
  readonly role: "assistant";
  readonly content: readonly OutputText[];
}

export interface ResponseObject {
  readonly id: string;
  readonly object: "response";
  readonly created_at: number;
  readonly status: Status;
  readonly error: { readonly code: string; readonly message: string } | null;
  readonly incomplete_details: { readonly reason: "max_output_tokens" } | null;
  readonly instructions: string | null;
  readonly max_output_tokens: number | null;
  readonly model: string;
  readonly output: readonly OutputMessage[];
  readonly parallel_tool_calls: boolean;
  readonly previous_response_id: null;
  readonly store: false;
  readonly temperature: number | null;
  readonly top_p: number | null;
  readonly text: { readonly format: { readonly type: string } };
  readonly tool_choice: "none";
  readonly tools: readonly never[];
  readonly truncation: "disabled";
  readonly metadata: Readonly<Record<string, string>>;
  readonly usage: {
    readonly input_tokens: number;
    readonly input_tokens_details: { readonly cached_tokens: number; readonly image_tokens: number };
    readonly output_tokens: number;
    readonly output_tokens_details: { readonly reasoning_tokens: number };
    readonly total_tokens: number;
  } | null;
  readonly timings?: Timings | undefined;
}

const outputText = z.object({ type: z.literal("output_text"), text: z.string(), annotations: z.array(z.never()) });
const outputMessage = z.object({ type: z.literal("message"), id: z.string(), status: z.enum(["in_progress", "completed", "incomplete"]), role: z.literal("assistant"), content: z.array(outputText) });

export const responseObject: z.ZodType<ResponseObject> = z
  .object({
    id: z.string(),
    object: z.literal("response"),
    created_at: z.int(),
    status: z.enum(["in_progress", "completed", "incomplete", "failed"]),
    error: z.object({ code: z.string(), message: z.string() }).nullable(),
    incomplete_details: z.object({ reason: z.literal("max_output_tokens") }).nullable(),
    instructions: z.string().nullable(),
    max_output_tokens: z.int().nullable(),
    model: z.string(),
    output: z.array(outputMessage),
    parallel_tool_calls: z.boolean(),
    previous_response_id: z.null(),
    store: z.literal(false),
    temperature: z.number().nullable(),
    top_p: z.number().nullable(),
    text: z.object({ format: z.object({ type: z.string() }) }),
    tool_choice: z.literal("none"),
    tools: z.array(z.never()),
    truncation: z.literal("disabled"),
    metadata: z.record(z.string(), z.string()),
    usage: z
      .object({
        input_tokens: z.int(),
        input_tokens_details: z.object({ cached_tokens: z.int(), image_tokens: z.int() }),
        output_tokens: z.int(),
        output_tokens_details: z.object({ reasoning_tokens: z.int() }),
        total_tokens: z.int(),
      })
      .nullable(),
    timings: timingsSchema.optional(),
  })
  .meta({ id: "Response" });
