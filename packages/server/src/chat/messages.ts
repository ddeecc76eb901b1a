import type { ChatMessage, ImagePart, TextPart } from "sightline";
import { ApiError } from "../api-error.js";
import type { RequestImages } from "../images/request-images.js";
import type { Limits } from "../limits.js";

/** A part of a message, whichever API it came through. */
export type AskedPart = { readonly text: string } | { readonly image: string; readonly detail: "low" | "high" | "auto" | "original" | null | undefined; readonly param: string };

export interface AskedMessage {
  readonly role: ChatMessage["role"];
  readonly parts: readonly AskedPart[];
}

/**
 * Messages as the library takes them, their images found and measured.
 * @throws ApiError for more text than allowed, and for images as RequestImages does
 */
export async function chatMessages(asked: readonly AskedMessage[], images: RequestImages, limits: Limits): Promise<ChatMessage[]> {
  const characters = asked.flatMap(({ parts }) => parts).reduce((sum, part) => sum + ("text" in part ? part.text.length : 0), 0);
  if (characters > limits.characters) throw new ApiError(400, `expected at most ${limits.characters} characters of text, got ${characters}`, { param: "messages", code: "too_many_characters" });
  const messages: ChatMessage[] = [];
  for (const { role, parts } of asked) {
    const content: (TextPart | ImagePart)[] = [];
    for (const part of parts) content.push("text" in part ? { type: "text", text: part.text } : await imagePart(part, images));
    messages.push({ role, content });
  }
  return messages;
}

async function imagePart({ image, detail, param }: Extract<AskedPart, { image: string }>, images: RequestImages): Promise<ImagePart> {
  const found = await images.open(image, param);
  // "original" is as closely as can be.
  return { type: "image", image: found, ...(detail ? { detail: detail === "original" ? "high" : detail } : {}) };
}
