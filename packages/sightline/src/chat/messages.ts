import type { ImageSource } from "@sightline/vision-tower";
import type { Detail } from "../image-families/image-family.js";
import { SightlineError } from "../sightline-error.js";

/** Text in a message. */
export interface TextPart {
  readonly type: "text";
  readonly text: string;
}

/** A picture in a message. */
export interface ImagePart {
  readonly type: "image";
  /** Bytes, a path or a file URL. */
  readonly image: ImageSource;
  /**
   * How closely to look, as in OpenAI's API: "low" shows the picture whole and nothing else, "high" in all the parts that
   * the model knows, "auto" as the model does by itself. "auto" when left out.
   */
  readonly detail?: Detail;
}

/** One message of a conversation. Images stand in user messages, where they are put among the text. */
export interface ChatMessage {
  readonly role: "system" | "user" | "assistant";
  readonly content: string | readonly (TextPart | ImagePart)[];
}

/** The parts of a message, a bare string being one text. */
export function partsOf({ content }: ChatMessage): readonly (TextPart | ImagePart)[] {
  return typeof content === "string" ? [{ type: "text", text: content }] : content;
}

/** Throws SightlineError `invalid-message` naming the message that cannot be used, or when nothing was asked last. */
export function checkQuestion(messages: readonly ChatMessage[]): void {
  checkMessages(messages);
  if (messages.at(-1)?.role === "assistant") throw new SightlineError("invalid-message", `chat: message ${messages.length - 1}: the last message is the assistant's; expected a user's`);
}

/** Throws SightlineError `invalid-message` naming the message that cannot be used. */
export function checkMessages(messages: readonly ChatMessage[]): void {
  const bad = (index: number, problem: string): SightlineError => new SightlineError("invalid-message", `chat: message ${index}: ${problem}`);
  if (messages.length === 0) throw new SightlineError("invalid-message", "chat: expected at least one message, got none");
  messages.forEach((message, index) => {
    if (!["system", "user", "assistant"].includes(message.role)) throw bad(index, `expected the role system, user or assistant, got ${JSON.stringify(message.role)}`);
    for (const part of partsOf(message)) {
      if (part.type === "image" && message.role !== "user") throw bad(index, `images belong in user messages, this one is by the ${message.role}`);
      if (part.type === "image" && part.detail !== undefined && !["low", "high", "auto"].includes(part.detail)) throw bad(index, `expected the detail low, high or auto, got ${JSON.stringify(part.detail)}`);
      if (part.type === "text" && typeof part.text !== "string") throw bad(index, `expected text, got ${typeof part.text}`);
      if (part.type !== "text" && part.type !== "image") throw bad(index, `unknown part type ${JSON.stringify((part as { type: unknown }).type)}`);
    }
  });
}
