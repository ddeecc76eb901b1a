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

/** How a model's templates speak of images. */
export interface TemplateImages {
  /** What a template that knows images writes where one stands. */
  readonly marker?: string;
  /** What follows an image where the template knows none. */
  readonly after?: string;
}

/** ChatML, for a decoder that brings no template. */
export const chatMlTemplate: string =
  "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

/** White space that no template writes, but that `trim` takes away: where it is gone, the text behind it is to be trimmed. */
const edge = "\u2003";

/**
 * Lays messages out with a model's own Jinja template. Texts go through the template as stand-ins that are made anew each
 * time and put back by position afterwards; so no text of a message can be read as the template's own, and none can pass
 * for an image. Images go through as templates expect them, as parts of type "image", and are found by the marker that the
 * template writes; where it knows no parts or no images, as stand-ins among the text.
 * @throws SightlineError `template-failed` with the template's own complaint
 */
export function layOutPrompt(template: string, messages: readonly ChatMessage[], tokens: TemplateTokens, images: TemplateImages = {}): PromptPiece[] {
  const pictured = messages.some((message) => partsOf(message).some(({ type }) => type === "image"));
  const forms: Form[] = pictured ? ["parts", "parts-of-text", "text"] : ["text", "parts"];
  const failures: SightlineError[] = [];
  for (const form of forms) {
    try {
      return layOut(template, messages, tokens, images, form);
    } catch (error) {
      if (!(error instanceof SightlineError)) throw error;
      failures.push(error);
    }
  }
  // What a template says of plain text is said most plainly.
  throw failures[forms.indexOf("text")] as SightlineError;
}

/** What a message's content is to the template: a string, parts, or parts with stand-ins of text for images. */
type Form = "text" | "parts" | "parts-of-text";

function layOut(template: string, messages: readonly ChatMessage[], { bos, eos }: TemplateTokens, { marker, after = "" }: TemplateImages, form: Form): PromptPiece[] {
  const nonce = randomUUID();
  const pieces: PromptPiece[] = [];
  const standIn = (piece: PromptPiece): string => `${edge}[${nonce}:${pieces.push(piece) - 1}]${edge}`;
  const unplaced: ImagePart[] = [];
  const content = (message: ChatMessage): unknown => {
    const parts = partsOf(message).map((part) => {
      if (part.type === "text") return { type: "text", text: standIn({ type: "text", text: part.text }), [nonce]: "unread" };
      if (form !== "parts") return { type: "text", text: standIn({ type: "image", part }) + after, [nonce]: "unread" };
      unplaced.push(part);
      return { type: "image", [nonce]: "unread" };
    });
    return form === "text" ? parts.map((part) => part.text).join("") : parts;
  };
  let rendered: string;
  try {
    rendered = new Template(template).render({
      messages: messages.map((message) => ({ role: message.role, content: content(message) })),
      add_generation_prompt: true,
      bos_token: bos,
      eos_token: eos,
      enable_thinking: false,
    });
  } catch (cause) {
    throw new SightlineError("template-failed", `layOutPrompt: the model's chat template failed: ${(cause as Error).message}`, { cause });
  }
  const laidOut = putBack(rendered, nonce, pieces, unplaced, marker);
  const used = new Set(laidOut.filter((piece) => piece.type !== "scaffold")).size;
  const wanted = pieces.length + unplaced.length;
  if (used !== wanted || rendered.includes(`"${nonce}"`)) {
    throw new SightlineError("template-failed", `layOutPrompt: the model's chat template used ${used} of ${wanted} parts of the messages; it may not know one of their roles, or images`);
  }
  return laidOut;
}

/** Puts the parts back where the template put their stand-ins and its markers. */
function putBack(rendered: string, nonce: string, pieces: readonly PromptPiece[], unplaced: readonly ImagePart[], marker: string | undefined): PromptPiece[] {
  const laidOut: PromptPiece[] = [];
  let images = 0;
  const scaffold = (text: string): void => {
    if (text !== "") laidOut.push({ type: "scaffold", text });
  };
  const fields = rendered.split(new RegExp(`(${edge}?)\\[${nonce}:(\\d+)\\](${edge}?)`));
  for (let i = 0; i < fields.length; i += 4) {
    const [text, before, index, behind] = fields.slice(i, i + 4) as [string, string?, string?, string?];
    const between = unplaced.length > 0 && marker !== undefined ? text.split(marker) : [text];
    between.forEach((own, at) => {
      const part = at > 0 ? unplaced[images++] : undefined;
      if (part) laidOut.push({ type: "image", part });
      scaffold(own);
    });
    if (index !== undefined) laidOut.push(trimmed(pieces[Number(index)] as PromptPiece, before === "", behind === ""));
  }
  // One marker too many is as wrong as one too few: they could not be told apart.
  if (images > unplaced.length) throw new SightlineError("template-failed", `layOutPrompt: the model's chat template wrote ${images} places for ${unplaced.length} images`);
  return laidOut;
}

function trimmed(piece: PromptPiece, start: boolean, end: boolean): PromptPiece {
  if (piece.type !== "text" || !(start || end)) return piece;
  const text = start ? piece.text.trimStart() : piece.text;
  return { type: "text", text: end ? text.trimEnd() : text };
}
