import type { ChatResult } from "sightline";
import { z } from "zod";

/** Of one answer; times in ms. */
export interface Timings {
  readonly cache_n: number;
  readonly prompt_n: number;
  readonly prompt_ms: number;
  readonly prompt_per_second: number;
  readonly predicted_n: number;
  readonly predicted_ms: number;
  readonly predicted_per_second: number;
  readonly ttft_ms: number;
  readonly encode_ms: number;
  readonly preprocess_ms: number;
}

export const timingsSchema: z.ZodType<Timings> = z.object({
  cache_n: z.int().describe("Tokens of the prompt that the cache held."),
  prompt_n: z.int().describe("Tokens of the prompt that were computed."),
  prompt_ms: z.number(),
  prompt_per_second: z.number(),
  predicted_n: z.int(),
  predicted_ms: z.number(),
  predicted_per_second: z.number(),
  ttft_ms: z.number().describe("From the answer's turn to its first text, ms."),
  encode_ms: z.number().describe("In the vision tower; 0 for images that were seen before."),
  preprocess_ms: z.number(),
});

/** As llama-server names them. */
export function timingsOf({ usage, timings }: ChatResult): Timings {
  const prompt = usage.promptTokens - usage.reusedTokens;
  return {
    cache_n: usage.reusedTokens,
    prompt_n: prompt,
    prompt_ms: rounded(timings.prefillMs),
    prompt_per_second: timings.prefillMs > 0 ? rounded((prompt / timings.prefillMs) * 1000) : 0,
    predicted_n: usage.completionTokens,
    predicted_ms: rounded(timings.decodeMs),
    predicted_per_second: rounded(timings.tokensPerSecond),
    ttft_ms: rounded(timings.ttftMs),
    encode_ms: rounded(timings.encodeMs),
    preprocess_ms: rounded(timings.preprocessMs),
  };
}

function rounded(value: number): number {
  return Number.isFinite(value) ? Math.round(value * 1000) / 1000 : 0;
}
