import { Command } from "commander";
import { loadVisionChat, type VisionChat } from "../chat/vision-chat.js";
import type { ChatMessage } from "../chat/messages.js";
import type { ChatRequest } from "../chat/vision-chat.js";
import { chatLoop } from "./chat-loop.js";
import { exitCodes, UsageError } from "./failure.js";
import { abortOnInterrupt } from "./interrupt.js";
import { numberBetween, wholeNumber } from "./option-values.js";

interface ChatOptions {
  readonly prompt?: string;
  readonly model: string;
  readonly maxTokens: number;
  readonly temperature: number;
  readonly seed?: number;
  readonly system?: string;
  readonly json?: boolean;
}

/** `sightline chat`: one answer with -p, a conversation without. */
export function chatCommand(): Command {
  return new Command("chat")
    .description("Talk about images.")
    .argument("[images...]", "image files: JPEG, PNG, WebP, GIF, TIFF, AVIF")
    .option("-p, --prompt <text>", "ask this and leave; without it a conversation starts")
    .option("--model <name|folder>", '"mini", or a folder with mmproj*.gguf and a decoder\'s .gguf', "mini")
    .option("--max-tokens <n>", "length of an answer at most", wholeNumber(1), 256)
    .option("--temperature <x>", "0 always takes the likeliest token", numberBetween(0, 5), 0)
    .option("--seed <n>", "makes sampling repeatable", wholeNumber(0))
    .option("--system <text>", "a system message")
    .option("--json", "print one JSON object with text, usage and timings; needs -p")
    .action(runChat);
}

async function runChat(images: readonly string[], options: ChatOptions): Promise<void> {
  const { prompt, json } = options;
  if (json && prompt === undefined) throw new UsageError("chat: --json needs a prompt: add -p");
  const signal = abortOnInterrupt();
  try {
    await using chat = await loadVisionChat(options.model, { signal });
    const ask = (messages: readonly ChatMessage[]): ChatRequest => ({ messages, maxTokens: options.maxTokens, sampling: samplingOf(options), signal });
    if (prompt === undefined) await chatLoop(chat, images, options.system, ask, signal);
    else await answerOnce(chat, ask(openingMessages(images, prompt, options.system)), json === true);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  if (signal.aborted) process.exitCode = exitCodes.interrupted;
}

function samplingOf({ temperature, seed }: ChatOptions): NonNullable<ChatRequest["sampling"]> {
  return { temperature, ...(seed === undefined ? {} : { seed }) };
}

function openingMessages(images: readonly string[], prompt: string, system: string | undefined): ChatMessage[] {
  const content = [...images.map((image) => ({ type: "image" as const, image })), { type: "text" as const, text: prompt }];
  return [...(system === undefined ? [] : [{ role: "system" as const, content: system }]), { role: "user", content }];
}

async function answerOnce(chat: VisionChat, request: ChatRequest, json: boolean): Promise<void> {
  const reply = chat.stream(request);
  if (json) {
    process.stdout.write(`${JSON.stringify(await reply.result)}\n`);
    return;
  }
  for await (const { text } of reply) process.stdout.write(text);
  process.stdout.write("\n");
}
