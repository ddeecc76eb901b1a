import { createInterface } from "node:readline/promises";
import type { ChatMessage, ImagePart, TextPart } from "../chat/messages.js";
import type { ChatRequest, VisionChat } from "../chat/vision-chat.js";
import { reportFailure } from "./failure.js";

const help = "Ask about the images. /image FILE adds one, /clear starts over, /quit leaves.";

/** A conversation on the terminal, or over piped lines. Ends with /quit, the end of input, or Ctrl-C. */
export async function chatLoop(
  chat: VisionChat,
  images: readonly string[],
  system: string | undefined,
  ask: (messages: readonly ChatMessage[]) => ChatRequest,
  signal: AbortSignal,
): Promise<void> {
  const interactive = process.stdin.isTTY === true;
  const lines = createInterface({ input: process.stdin, ...(interactive ? { output: process.stderr, prompt: "> " } : {}) });
  // readline takes Ctrl-C for itself on a terminal; it means the same here as everywhere.
  lines.on("SIGINT", () => process.emit("SIGINT"));
  signal.addEventListener("abort", () => lines.close(), { once: true });
  const start = (): ChatMessage[] => (system === undefined ? [] : [{ role: "system", content: system }]);
  let messages = start();
  let waiting = [...images];
  if (interactive) process.stderr.write(`${help}\n`);
  lines.prompt();
  try {
    for await (const line of lines) {
      const text = line.trim();
      if (text === "/quit") break;
      else if (text === "/clear") {
        messages = start();
        waiting = [];
      } else if (text.startsWith("/image ")) waiting.push(text.slice("/image ".length).trim());
      else if (text.startsWith("/")) process.stderr.write(`${help}\n`);
      else if (text !== "") {
        const parts: (ImagePart | TextPart)[] = [...waiting.map((image) => ({ type: "image" as const, image })), { type: "text", text }];
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
