import type { GenerateOptions, SamplingOptions } from "sightline";
import type { Limits } from "../limits.js";

/** What the chat APIs say of how to answer, under one set of names. */
export interface AnswerSettings {
  readonly maxTokens?: number | null | undefined;
  readonly temperature?: number | null | undefined;
  readonly topP?: number | null | undefined;
  readonly topK?: number | null | undefined;
  readonly minP?: number | null | undefined;
  readonly repeatPenalty?: number | null | undefined;
  readonly frequencyPenalty?: number | null | undefined;
  readonly presencePenalty?: number | null | undefined;
  readonly logitBias?: Readonly<Record<string, number>> | null | undefined;
  readonly seed?: number | null | undefined;
  readonly stop?: string | readonly string[] | null | undefined;
  readonly logprobs?: number | undefined;
  readonly ignoreEnd?: boolean | null | undefined;
  /** A JSON schema that the answer is held to; see `answerSchema`. */
  readonly schema?: Readonly<Record<string, unknown>> | undefined;
}

const seeds = 2 ** 32 - 1;
/** Of the least likely tokens nothing is left below this. */
const leastTopP = 1e-6;

/** As the library takes them. Without a temperature or top_p, the most likely token is always taken. */
export function generationOptions(settings: AnswerSettings, limits: Limits): GenerateOptions {
  const { maxTokens, stop, logprobs, schema, ignoreEnd } = settings;
  return {
    maxTokens: Math.min(maxTokens ?? limits.tokens, limits.tokens),
    sampling: sampling(settings),
    ...(stop === undefined || stop === null ? {} : { stop: typeof stop === "string" ? [stop] : stop }),
    ...(logprobs === undefined ? {} : { logprobs }),
    ...(schema === undefined ? {} : { jsonSchema: schema }),
    ...(ignoreEnd === true ? { ignoreEnd } : {}),
  };
}

function sampling({ temperature, topP, topK, minP, repeatPenalty, frequencyPenalty, presencePenalty, logitBias, seed }: AnswerSettings): SamplingOptions {
  const given = {
    temperature,
    topP: typeof topP === "number" ? Math.max(topP, leastTopP) : topP,
    // llama-server's 0 means all.
    topK: topK === 0 ? undefined : topK,
    minP,
    repeatPenalty,
    frequencyPenalty,
    presencePenalty,
    logitBias: logitBias && Object.fromEntries(Object.entries(logitBias).map(([token, bias]) => [Number(token), bias])),
    // OpenAI's seeds are 64 bits with a sign.
    seed: typeof seed === "number" ? ((seed % seeds) + seeds) % seeds : seed,
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined && value !== null)) as SamplingOptions;
}
