import { UnsupportedFunctionalityError, type LanguageModelV4FilePart, type LanguageModelV4Message, type LanguageModelV4Prompt, type SharedV4Warning } from "@ai-sdk/provider";
import type { ChatMessage, ImagePart, TextPart } from "sightline";
import { detailOf, type SightlineCallOptions } from "./sightline-options.js";

/** A prompt of the AI SDK as messages of a chat, and what of it was left out. */
export interface ConvertedPrompt {
  readonly messages: readonly ChatMessage[];
  readonly warnings: readonly SharedV4Warning[];
}

/**
 * Pictures come as bytes or base64: the AI SDK has downloaded what was a URL, since this provider takes none.
 * @throws UnsupportedFunctionalityError for tools' calls and results, and for files that are neither pictures nor text
 */
export function chatMessages(prompt: LanguageModelV4Prompt, call: SightlineCallOptions): ConvertedPrompt {
  const warnings: SharedV4Warning[] = [];
  return { messages: prompt.map((message) => chatMessage(message, call, warnings)), warnings };
}

function chatMessage(message: LanguageModelV4Message, call: SightlineCallOptions, warnings: SharedV4Warning[]): ChatMessage {
  if (message.role === "system") return { role: "system", content: message.content };
  if (message.role === "user") return { role: "user", content: message.content.map((part) => (part.type === "text" ? textPart(part.text) : filePart(part, call))) };
  if (message.role === "tool") throw new UnsupportedFunctionalityError({ functionality: "messages of tools" });
  const parts: TextPart[] = [];
  for (const part of message.content) {
    if (part.type === "text") parts.push(textPart(part.text));
    else if (part.type === "reasoning") warnings.push({ type: "other", message: "Reasoning in the assistant's messages is left out: decoders here are shown answers only." });
    else throw new UnsupportedFunctionalityError({ functionality: `assistant messages with parts of type ${part.type}` });
  }
  return { role: "assistant", content: parts };
}

function textPart(text: string): TextPart {
  return { type: "text", text };
}

function filePart(part: LanguageModelV4FilePart, call: SightlineCallOptions): ImagePart | TextPart {
  const { data, mediaType } = part;
  if (data.type === "text") return textPart(data.text);
  if (!/^image(?:\/|$)/i.test(mediaType)) throw new UnsupportedFunctionalityError({ functionality: `files of type ${mediaType}`, message: `sightline: expected files of type image/*, got ${mediaType}` });
  if (data.type === "reference") throw new UnsupportedFunctionalityError({ functionality: "references to uploaded files" });
  const detail = detailOf(part.providerOptions, call);
  return { type: "image", image: imageBytes(data.type === "url" ? data.url : data.data), ...(detail === undefined ? {} : { detail }) };
}

/** Bytes of a picture. Never a path: what a prompt holds may come from strangers, who must not name files. */
function imageBytes(data: Uint8Array | string | URL): Uint8Array {
  if (data instanceof Uint8Array) return data;
  const bytes = dataUrlBytes(String(data));
  if (bytes !== undefined) return bytes;
  if (data instanceof URL) throw new UnsupportedFunctionalityError({ functionality: `URLs of ${data.protocol}`, message: `sightline: expected the picture's bytes, got a ${data.protocol} URL; the AI SDK downloads http and https` });
  return Buffer.from(data, "base64");
}

/** The bytes of a base64 `data:` URL; undefined for any other text. */
export function dataUrlBytes(text: string): Uint8Array | undefined {
  const match = /^data:[^,]*;base64,/i.exec(text);
  return match ? Buffer.from(text.slice(match[0].length), "base64") : undefined;
}
