import { SightlineError } from "../sightline-error.js";
import { withoutOldestTurn, type DraftPrompt } from "./chat-prompt.js";
import type { ChatMessage } from "./messages.js";

/** What becomes of a conversation that is longer than the context. */
export type Overflow = "error" | "drop-oldest";

export interface FittedPrompt {
  readonly prompt: DraftPrompt;
  /** Messages that were left out at the beginning. */
  readonly droppedMessages: number;
}

/** Tokens that there are, and what the request says of them. */
export interface Room {
  readonly contextLength: number;
  readonly trainContextLength: number;
  readonly maxTokens?: number | undefined;
  readonly overflow?: Overflow | undefined;
}

/** Answers are given this much room, tokens, where turns may be dropped for it and nobody said how long one may be. */
const answerRoom = 256;

/**
 * The prompt of a conversation that fits into the context with room for an answer; without its oldest turns where the
 * caller wants that, the system's word and the last question always kept.
 * @throws SightlineError `context-full` with the numbers
 */
export function fitPrompt(messages: readonly ChatMessage[], draft: (messages: readonly ChatMessage[]) => DraftPrompt, { contextLength, trainContextLength, maxTokens, overflow = "error" }: Room): FittedPrompt {
  const answer = overflow === "error" ? 1 : Math.max(1, Math.min(maxTokens ?? answerRoom, Math.floor(contextLength / 4)));
  const drafted = (kept: readonly ChatMessage[]): FittedPrompt => ({ prompt: draft(kept), droppedMessages: messages.length - kept.length });
  const fits = ({ prompt }: FittedPrompt): boolean => prompt.length + answer <= contextLength;
  const whole = drafted(messages);
  if (fits(whole)) return whole;
  const shorter = overflow === "drop-oldest" ? shortened(messages) : [];
  let best = shorter.length === 0 ? whole : drafted(shorter.at(-1) as readonly ChatMessage[]);
  if (!fits(best)) throw tooLong(best.prompt, { contextLength, trainContextLength, overflow }, answer);
  // Fewer turns take fewer tokens, so the longest that fits is found by halving.
  for (let [low, high] = [0, shorter.length - 1]; low < high; ) {
    const middle = Math.floor((low + high) / 2);
    const tried = drafted(shorter[middle] as readonly ChatMessage[]);
    if (fits(tried)) [best, high] = [tried, middle];
    else low = middle + 1;
  }
  return best;
}

/** The conversation with ever fewer of its oldest turns, down to the last question. */
function shortened(messages: readonly ChatMessage[]): (readonly ChatMessage[])[] {
  const all: (readonly ChatMessage[])[] = [];
  for (let next = withoutOldestTurn(messages); next; next = withoutOldestTurn(next)) all.push(next);
  return all;
}

function tooLong(prompt: DraftPrompt, { contextLength, trainContextLength, overflow }: Room, answer: number): SightlineError {
  const images = prompt.pictures.length === 0 ? "" : `, ${prompt.imageTokens} of them for ${prompt.pictures.length} images`;
  const closer = prompt.pictures.length === 0 ? "" : ', or look less closely with detail: "low"';
  const longer = prompt.length + answer <= trainContextLength ? `load the model with contextLength: ${prompt.length + answer} or more` : `the model was trained with ${trainContextLength}`;
  const drop = overflow === "error" ? ' or ask with overflow: "drop-oldest"' : "";
  return new SightlineError("context-full", `chat: the prompt takes ${prompt.length} tokens${images}, and the context holds ${contextLength} with the answer; ${longer}; leave messages out${drop}${closer}`);
}
