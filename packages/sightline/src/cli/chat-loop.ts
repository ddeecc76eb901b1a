import { createInterface } from "node:readline/promises";
import type { ChatMessage, ImagePart, TextPart } from "../chat/messages.js";
import type { ChatRequest, VisionChat } from "../chat/vision-chat.js";
import { reportFailure } from "./failure.js";

const help = "Ask about the images. /image FILE adds one, /save FILE and /load FILE keep a conversation, /clear starts over, /quit leaves.";

export interface ChatLoop {
  /** What was said already. */
  readonly before: readonly ChatMessage[];
  /** Shown with the first question. */
  readonly images: readonly ImagePart[];
  /** How closely to look at images that are added. */
  readonly detail: ImagePart["detail"] | undefined;
  readonly ask: (messages: readonly ChatMessage[]) => ChatRequest;
  readonly signal: AbortSignal;
}

/** A conversation on the terminal, or over piped lines. Ends with /quit, the end of input, or Ctrl-C. */
export async function chatLoop(chat: VisionChat, { before, images, detail, ask, signal }: ChatLoop): Promise<void> {
  const interactive = process.stdin.isTTY === true;
  const lines = createInterface({ input: process.stdin, ...(interactive ? { output: process.stderr, prompt: "> " } : {}) });
  // readline takes Ctrl-C for itself on a terminal; it means the same here as everywhere.
  lines.on("SIGINT", () => process.emit("SIGINT"));
  signal.addEventListener("abort", () => lines.close(), { once: true });
  let messages = [...before];
  let waiting = [...images];
  if (interactive) process.stderr.write(`${help}\n`);
  lines.prompt();
  try {
    for await (const line of lines) {
      const text = line.trim();
      if (text === "/quit") break;
      else if (text === "/clear") {
        messages = before.filter(({ role }) => role === "system");
        waiting = [];
      } else if (text.startsWith("/image ")) waiting.push({ type: "image", image: argument(text), ...(detail ? { detail } : {}) });
      else if (text.startsWith("/save ")) await reported(() => chat.saveConversation(messages, argument(text), { signal }), signal);
      else if (text.startsWith("/load ")) await reported(async () => (messages = [...(await chat.loadConversation(argument(text))).messages]), signal);
      else if (text.startsWith("/")) process.stderr.write(`${help}\n`);
      else if (text !== "") {
        const parts: (ImagePart | TextPart)[] = [...waiting, { type: "text", text }];
        waiting = [];
        messages = await takeTurn(chat, [...messages, { role: "user", content: parts }], ask, signal);
      }
      if (signal.aborted) break;
      lines.prompt();
    }
  } finally {
    lines.close();
  }
}

/** What stands behind a command. */
function argument(line: string): string {
  return line.slice(line.indexOf(" ")).trim();
}

/** Does something; what goes wrong is said, and the conversation goes on. */
async function reported(work: () => Promise<unknown>, signal: AbortSignal): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!signal.aborted) reportFailure(error, process.argv.includes("--verbose"));
  }
}

/** One question and its answer; a failed turn is reported and forgotten. */
async function takeTurn(
  chat: VisionChat,
  messages: ChatMessage[],
  ask: (messages: readonly ChatMessage[]) => ChatRequest,
  signal: AbortSignal,
): Promise<ChatMessage[]> {
  try {
    const reply = chat.stream(ask(messages));
    for await (const { text } of reply) process.stdout.write(text);
    process.stdout.write("\n");
    return [...messages, { role: "assistant", content: (await reply.result).text }];
  } catch (error) {
    if (!signal.aborted) reportFailure(error, process.argv.includes("--verbose"));
    return messages.slice(0, -1);
  }
}
