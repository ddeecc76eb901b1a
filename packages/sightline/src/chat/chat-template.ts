import { randomUUID } from "node:crypto";
import { Template } from "@huggingface/jinja";
import { SightlineError } from "../sightline-error.js";
import { partsOf, type ChatMessage, type ImagePart } from "./messages.js";

/** A piece of a prompt, in order: the template's own text, a message's text, or an image. */
export type PromptPiece =
  | { readonly type: "scaffold"; readonly text: string }
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "image"; readonly part: ImagePart };

export interface TemplateTokens {
  readonly bos: string;
  readonly eos: string;
}

/** ChatML, for a decoder that brings no template. */
export const chatMlTemplate: string =
  "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

/**
 * Lays messages out with a model's own Jinja template. Texts and images go through the template as stand-ins that are
 * made anew each time and put back by position afterwards; so no text of a message can be read as the template's own,
 * and none can pass for an image.
 * @throws SightlineError `template-failed` with the template's own complaint
 */
export function layOutPrompt(template: string, messages: readonly ChatMessage[], tokens: TemplateTokens): PromptPiece[] {
  const nonce = randomUUID();
  const pieces: PromptPiece[] = [];
  const standIn = (piece: PromptPiece): string => `[${nonce}:${pieces.push(piece) - 1}]`;
  const plain = messages.map((message) => ({
    role: message.role,
    content: partsOf(message)
      .map((part) => standIn(part.type === "text" ? { type: "text", text: part.text } : { type: "image", part }))
      .join(""),
  }));
  let rendered: string;
  try {
    rendered = new Template(template).render({
      messages: plain,
      add_generation_prompt: true,
      bos_token: tokens.bos,
      eos_token: tokens.eos,
      enable_thinking: false,
    });
  } catch (cause) {
    throw new SightlineError("template-failed", `layOutPrompt: the model's chat template failed: ${(cause as Error).message}`, { cause });
  }
  const laidOut: PromptPiece[] = [];
  rendered.split(new RegExp(`\\[${nonce}:(\\d+)\\]`)).forEach((text, i) => {
    if (i % 2 === 1) laidOut.push(pieces[Number(text)] as PromptPiece);
    else if (text !== "") laidOut.push({ type: "scaffold", text });
  });
  const used = new Set(laidOut.filter((piece) => piece.type !== "scaffold")).size;
  if (used !== pieces.length) {
    throw new SightlineError("template-failed", `layOutPrompt: the model's chat template used ${used} of ${pieces.length} parts of the messages; it may not know one of their roles`);
  }
  return laidOut;
}
