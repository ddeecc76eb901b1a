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
  let kept = messages;
  for (;;) {
    const prompt = draft(kept);
    if (prompt.length + answer <= contextLength) return { prompt, droppedMessages: messages.length - kept.length };
    const shorter = overflow === "drop-oldest" ? withoutOldestTurn(kept) : undefined;
    if (!shorter) {
      const images = prompt.pictures.length === 0 ? "" : `, ${prompt.imageTokens} of them for ${prompt.pictures.length} images`;
      const closer = prompt.pictures.length === 0 ? "" : ', or look less closely with detail: "low"';
      const longer = prompt.length + answer <= trainContextLength ? `load the model with contextLength: ${prompt.length + answer} or more` : `the model was trained with ${trainContextLength}`;
      const drop = overflow === "error" ? ' or ask with overflow: "drop-oldest"' : "";
      throw new SightlineError("context-full", `chat: the prompt takes ${prompt.length} tokens${images}, and the context holds ${contextLength} with the answer; ${longer}; leave messages out${drop}${closer}`);
    }
    kept = shorter;
  }
}
