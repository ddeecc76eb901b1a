import type { Vocabulary } from "./vocabulary.js";

/** A token and the natural logarithm of its probability. */
export interface TokenLogprob {
  readonly id: number;
  /** The token's spelling, special tokens included; U+FFFD for bytes that are only part of a character. */
  readonly text: string;
  /** The bytes of that spelling. */
  readonly bytes: readonly number[];
  /** Of the model's own distribution: a softmax of its logits, before any step of sampling. */
  readonly logprob: number;
}

/** A generated token with the ones that were most likely in its place, the most likely first. */
export interface GeneratedTokenLogprob extends TokenLogprob {
  readonly top: readonly TokenLogprob[];
}

/**
 * The log-probabilities of a chosen token and of the most likely ones, as OpenAI's `logprobs` defines them.
 * @param logits `float32[V]`
 * @param topCount how many of the most likely tokens; equal ones in the order of their ids
 */
export function tokenLogprob(vocabulary: Vocabulary, logits: Float32Array, chosen: number, topCount: number): GeneratedTokenLogprob {
  let highest = Number.NEGATIVE_INFINITY;
  for (const logit of logits) if (logit > highest) highest = logit;
  let sum = 0;
  for (const logit of logits) sum += Math.exp(logit - highest);
  const normaliser = highest + Math.log(sum);
  const describe = (id: number): TokenLogprob => {
    const bytes = vocabulary.spelling(id);
    return { id, text: new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes), bytes: [...bytes], logprob: (logits[id] ?? Number.NEGATIVE_INFINITY) - normaliser };
  };
  return { ...describe(chosen), top: mostLikely(logits, topCount).map(describe) };
}

/** The ids of the highest logits, highest first. */
function mostLikely(logits: Float32Array, count: number): number[] {
  const best: number[] = [];
  if (count === 0) return best;
  const at = (id: number | undefined): number => (id === undefined ? Number.NEGATIVE_INFINITY : (logits[id] ?? Number.NEGATIVE_INFINITY));
  for (let id = 0; id < logits.length; id++) {
    if (best.length === count && !(at(id) > at(best.at(-1)))) continue;
    let place = best.length;
    while (place > 0 && at(id) > at(best[place - 1])) place--;
    best.splice(place, 0, id);
    if (best.length > count) best.pop();
  }
  return best;
}
