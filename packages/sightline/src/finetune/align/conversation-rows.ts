import { imagePath, type BadPair, type Row } from "@sightline/contrastive";
import type { ChatMessage, ImagePart, TextPart } from "../../chat/messages.js";

/** A conversation to learn from: its last message is the assistant's. */
export interface TrainingConversation {
  /** Names it in messages and logs. */
  readonly id: string;
  readonly messages: readonly ChatMessage[];
}

export interface ConversationRowOptions {
  /** The folder that relative image paths start from. */
  readonly imageRoot: string;
  /** What a conversation without a system message starts with. */
  readonly system?: string | undefined;
}

/** Whether a row of a table is a conversation, in either form, and no pair of image and caption. */
export function isConversationRow(row: Row): boolean {
  return Array.isArray(row["conversations"]) || Array.isArray(row["messages"]);
}

/**
 * A row as a conversation, or why it is none. `conversations` is LLaVA's form, `<image>` in a value standing for the next
 * image of the row; `messages` is OpenAI's, with images as parts (`image_url`, or `image` for the next of the row).
 * Questions after the last answer are dropped.
 */
export function conversationOfRow(row: Row, place: string, { imageRoot, system }: ConversationRowOptions): TrainingConversation | BadPair {
  const given = row["id"];
  const id = typeof given === "string" || typeof given === "number" || typeof given === "bigint" ? String(given) : place;
  try {
    const images = new RowImages(row, imageRoot);
    const read = Array.isArray(row["conversations"]) ? row["conversations"].map((turn) => llavaMessage(turn, images)) : (row["messages"] as unknown[]).map((message) => openAiMessage(message, images));
    const placed = images.placedIn(read);
    const last = placed.findLastIndex(({ role }) => role === "assistant");
    if (last === -1) throw new NoConversation("no answer");
    const kept = placed.slice(0, last + 1);
    if (kept.find(({ role }) => role !== "system")?.role === "assistant") throw new NoConversation("begins with an answer");
    return { id, messages: system === undefined || kept[0]?.role === "system" ? kept : [{ role: "system", content: system }, ...kept] };
  } catch (error) {
    if (error instanceof NoConversation) return { id, reason: error.message };
    throw error;
  }
}

class NoConversation extends Error {}

/** A conversation about one caption of an image. */
export function captionConversation(image: ImagePart["image"], prompt: string, caption: string, system: string | undefined): readonly ChatMessage[] {
  return [
    ...(system === undefined ? [] : [{ role: "system" as const, content: system }]),
    { role: "user", content: [{ type: "image", image }, ...(prompt === "" ? [] : [{ type: "text" as const, text: prompt }])] },
    { role: "assistant", content: caption },
  ];
}

/** The images that a row lists, taken one after the other. */
class RowImages {
  readonly #listed: readonly ImagePart[];
  readonly #imageRoot: string;
  #taken = 0;

  constructor(row: Row, imageRoot: string) {
    this.#imageRoot = imageRoot;
    const given = row["image"] ?? row["images"] ?? [];
    this.#listed = (Array.isArray(given) ? given : [given]).map((image) => this.image(image));
  }

  image(value: unknown): ImagePart {
    if (value instanceof Uint8Array && value.length > 0) return { type: "image", image: value };
    if (typeof value === "string" && value.trim() !== "") {
      const base64 = /^data:image\/[^;,]+;base64,(.*)$/is.exec(value)?.[1];
      if (base64 !== undefined) return { type: "image", image: new Uint8Array(Buffer.from(base64, "base64")) };
      if (/^(https?|blob|data):/i.test(value)) throw new NoConversation("image is a URL, which is not fetched");
      return { type: "image", image: imagePath(value.trim(), this.#imageRoot) };
    }
    const { url, bytes, path } = fields(value);
    const inner = url ?? bytes ?? path;
    if (inner === undefined || inner === null) throw new NoConversation("no image where one should be");
    return this.image(inner);
  }

  next(): ImagePart {
    const image = this.#listed[this.#taken++];
    if (!image) throw new NoConversation("more places for images than images");
    return image;
  }

  /** Messages with the images that none of them named, which come before the first question. */
  placedIn(messages: readonly ChatMessage[]): readonly ChatMessage[] {
    if (this.#taken === this.#listed.length) return messages;
    if (this.#taken > 0) throw new NoConversation("more images than places for them");
    const first = messages.findIndex(({ role }) => role === "user");
    if (first === -1) throw new NoConversation("no question");
    return messages.map((message, i) => (i === first ? { ...message, content: [...this.#listed, ...parts(message)] } : message));
  }
}

function parts({ content }: ChatMessage): readonly (TextPart | ImagePart)[] {
  return typeof content === "string" ? [{ type: "text", text: content }] : content;
}

const llavaRoles: Readonly<Record<string, ChatMessage["role"]>> = { human: "user", user: "user", gpt: "assistant", assistant: "assistant", system: "system" };

function llavaMessage(turn: unknown, images: RowImages): ChatMessage {
  const { from, value } = fields(turn);
  const role = llavaRoles[String(from)];
  if (!role) throw new NoConversation(`a turn from ${JSON.stringify(from)}`);
  if (typeof value !== "string") throw new NoConversation("a turn without text");
  if (role !== "user") return { role, content: nonEmpty(value.trim(), role) };
  // LLaVA writes a line break between an image and its question, which chats do not.
  const pieces = value.split("<image>");
  const content = pieces.flatMap((piece, i): (TextPart | ImagePart)[] => {
    const text = piece.replace(i > 0 ? /^\n/ : /^$/, "").replace(i < pieces.length - 1 ? /\n$/ : /$^/, "");
    return [...(i > 0 ? [images.next()] : []), ...(text === "" ? [] : [{ type: "text" as const, text }])];
  });
  return { role, content: content.length === 0 ? "" : content };
}

function openAiMessage(message: unknown, images: RowImages): ChatMessage {
  const { role, content } = fields(message);
  if (role !== "system" && role !== "user" && role !== "assistant" && role !== "developer") throw new NoConversation(`a message of the role ${JSON.stringify(role)}`);
  const as = role === "developer" ? "system" : role;
  if (typeof content === "string") return { role: as, content: as === "user" ? content : nonEmpty(content.trim(), as) };
  if (!Array.isArray(content)) throw new NoConversation("a message without text");
  const read = content.map((part): TextPart | ImagePart => {
    const { type, text, image_url: url, image } = fields(part);
    if ((type === "text" || type === "input_text") && typeof text === "string") return { type: "text", text };
    if (type === "image_url" || type === "input_image") return images.image(url);
    if (type === "image") return image === undefined ? images.next() : images.image(image);
    throw new NoConversation(`a part of the type ${JSON.stringify(type)}`);
  });
  if (as === "user") return { role: as, content: read };
  if (read.some(({ type }) => type === "image")) throw new NoConversation(`an image in a message of the ${as}`);
  return { role: as, content: nonEmpty(read.map((part) => (part.type === "text" ? part.text : "")).join("").trim(), as) };
}

function nonEmpty(text: string, role: string): string {
  if (text === "") throw new NoConversation(`an empty message of the ${role}`);
  return text;
}

function fields(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
}
