import type { Conversation, Message } from "./conversation";

/** Gives a picture's data URL by its id; undefined for one that is lost. */
export type PictureData = (id: string) => Promise<string | undefined>;

/** The conversation as JSON, its pictures in it as data URLs. */
export async function exportJson({ id, title, createdAt, updatedAt, messages }: Conversation, pictureData: PictureData): Promise<string> {
  const written = await Promise.all(messages.map((message) => writtenMessage(message, pictureData)));
  const file = { format: "sightline-conversation", version: 1, id, title, createdAt: new Date(createdAt).toISOString(), updatedAt: new Date(updatedAt).toISOString(), messages: written };
  return `${JSON.stringify(file, null, 2)}\n`;
}

async function writtenMessage(message: Message, pictureData: PictureData): Promise<unknown> {
  if (message.role === "assistant") {
    const { role, model, text, state, failure, timings } = message;
    return { role, model, text, state, failure, timings };
  }
  const pictures = message.pictures.map(async ({ id, name, width, height }) => ({ name, width, height, data: (await pictureData(id)) ?? null }));
  return { role: message.role, text: message.text, pictures: await Promise.all(pictures) };
}

/** The conversation as Markdown to read, its pictures in it as data URLs at the end, where they disturb nobody. */
export async function exportMarkdown({ title, createdAt, messages }: Conversation, pictureData: PictureData): Promise<string> {
  const definitions: string[] = [];
  const parts = [`# ${oneLine(title)}`, `*${new Date(createdAt).toISOString().slice(0, 10)}*`];
  for (const message of messages) {
    if (message.role === "assistant") {
      parts.push(`**${oneLine(message.model)}**`, message.text.trim() || "*(no answer)*");
      if (message.state === "stopped") parts.push("*(stopped)*");
      if (message.state === "failed") parts.push(`*(failed: ${oneLine(message.failure ?? "unknown")})*`);
      continue;
    }
    parts.push("**You**");
    for (const picture of message.pictures) {
      const name = oneLine(picture.name);
      const data = await pictureData(picture.id);
      if (data === undefined) parts.push(`*(picture lost: ${name})*`);
      else {
        const reference = `picture-${definitions.length + 1}`;
        definitions.push(`[${reference}]: ${data}`);
        parts.push(`![${name}][${reference}]`);
      }
    }
    if (message.text) parts.push(message.text.trim());
  }
  return `${[...parts, ...definitions].join("\n\n")}\n`;
}

/** On one line, with nothing that Markdown would take for its own. */
const oneLine = (text: string): string => text.replace(/\s+/g, " ").replace(/[\\`*_[\]<>#!]/g, "\\$&").trim();

/** A file name made of the title, for every system. */
export function exportName({ title }: Conversation, extension: "json" | "md"): string {
  const name = title.normalize("NFKD").replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-+|-+$/g, "").toLowerCase().slice(0, 60);
  return `${name || "conversation"}.${extension}`;
}
