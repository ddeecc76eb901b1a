import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { loadDecoder, rawDecodeLoop } from "@sightline/decoder";
import { Command } from "commander";
import { findModelFiles, loadVisionChat, type ChatMessage, type ChatResult, type VisionChat } from "sightline";

const picture = fileURLToPath(new URL("../../examples/scene.png", import.meta.url));
const rounds = 15;
/** Tokens of one timed decode loop. */
const loopTokens = 128;

/** `bench chat`: time to first token and tokens a second, against a raw decode loop on the same GGUF. */
export function chatBench(): Command {
  return new Command("chat")
    .option("--model <name|folder>", "which model", "mini")
    .option("--json", "the default: one JSON object")
    .action(measure);
}

async function measure({ model }: { readonly model: string }): Promise<void> {
  const image = await readFile(picture);
  const files = await findModelFiles(model);
  const firsts: number[] = [];
  const ratios: { readonly own: number; readonly raw: number }[] = [];
  let second: ChatResult | undefined;
  let secondEncodes = 0;
  await using decoder = await loadDecoder(files.decoder);
  // The two loops take turns, and the best of each counts: whatever else runs on the machine only slows them.
  for (let i = 0; i < rounds; i++) {
    // Each round starts from a chat that has seen nothing.
    await using chat = await loadVisionChat(model);
    const first = await ask(chat, [{ role: "user", content: [{ type: "image", image }, { type: "text", text: "What do you see?" }] }]);
    if (i > 0) firsts.push(first.timings.ttftMs);
    const encodes = chat.encodes;
    second = await ask(chat, [
      { role: "user", content: [{ type: "image", image }, { type: "text", text: "What do you see?" }] },
      { role: "assistant", content: first.text },
      { role: "user", content: "How many objects are there?" },
    ]);
    secondEncodes = chat.encodes - encodes;
    ratios.push({ own: await tokensPerSecond(chat, image), raw: (await rawDecodeLoop(decoder, loopTokens, first.usage.promptTokens)).tokensPerSecond });
  }
  const result = {
    model,
    ttftMs: round(median(firsts)),
    tokensPerSecond: round(Math.max(...ratios.map(({ own }) => own))),
    rawLoopTokensPerSecond: round(Math.max(...ratios.map(({ raw }) => raw))),
    secondQuestion: {
      ttftMs: round(second?.timings.ttftMs ?? Number.NaN),
      encodes: secondEncodes,
      imageTokensPrefilled: (second?.usage.reusedTokens ?? 0) >= (second?.usage.imageTokens ?? 0) ? 0 : second?.usage.imageTokens,
    },
  };
  process.stdout.write(`${JSON.stringify(result)}\n`);
}

/** Tokens a second of an answer as long as the raw loop: the end of text is ignored, since mini's answers are over in a millisecond. */
async function tokensPerSecond(chat: VisionChat, image: Uint8Array): Promise<number> {
  const messages: readonly ChatMessage[] = [{ role: "user", content: [{ type: "image", image }, { type: "text", text: "What do you see?" }] }];
  const { timings } = await chat.stream({ messages, maxTokens: loopTokens + 1, ignoreEnd: true }).result;
  return timings.tokensPerSecond;
}

function ask(chat: VisionChat, messages: readonly ChatMessage[]): Promise<ChatResult> {
  return chat.stream({ messages, maxTokens: 64 }).result;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

function round(value: number): number {
  return Number(value.toPrecision(5));
}
