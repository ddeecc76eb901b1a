import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { performance } from "node:perf_hooks";
import { Command } from "commander";
import sharp from "sharp";
import { loadVisionChat, type ChatMessage } from "sightline";

interface ServerBenchOptions {
  readonly server: string;
  readonly mmproj: string;
  readonly decoder: string;
  readonly rounds: number;
  readonly tokens: number;
  readonly threads: number;
  readonly precision: "float32" | "int8" | "auto";
}

/** One side of the comparison. Both are asked in the same words for the same number of tokens. */
interface Peer extends AsyncDisposable {
  readonly answer: (messages: readonly ChatMessage[], maxTokens: number) => Promise<string>;
}

const conversations = 4;
/** Where an image stands in a prompt for the server. */
const marker = "<__media__>";
const question = "What do you see in this picture?";

/**
 * `bench llama-server`: this kit and llama.cpp's own server on the same GGUF pair, in one run: time to the first token about
 * a new picture (the server by default and with `-fa off`), the second question about it against a question without one, and
 * four conversations at once against one.
 */
export function llamaServerBench(): Command {
  return new Command("llama-server")
    .requiredOption("--server <path>", "llama-server, built from llama.cpp's source")
    .requiredOption("--mmproj <file>", "the mmproj GGUF")
    .requiredOption("--decoder <file>", "the decoder's GGUF")
    .option("--rounds <n>", "new pictures a side; the median counts", Number, 3)
    .option("--tokens <n>", "length of an answer where speed is counted", Number, 96)
    .option("--threads <n>", "threads of either side", Number, 2)
    .option("--precision <name>", "of this kit's tower; the server has the file's", "float32")
    .action(async (options: ServerBenchOptions) => {
      const result: Record<string, unknown> = {};
      // One after the other, each alone on the machine.
      for (const [name, open] of Object.entries({
        "llama-server": () => serve(options, []),
        "llama-server -fa off": () => serve(options, ["-fa", "off"]),
        sightline: () => inProcess(options),
      })) {
        await using peer = await open();
        result[name] = await measure(peer, options);
      }
      process.stdout.write(`${JSON.stringify(result, (_, value: unknown) => (typeof value === "number" ? Number(value.toPrecision(4)) : value), 2)}\n`);
    });
}

async function measure(peer: Peer, { rounds, tokens }: ServerBenchOptions): Promise<Record<string, number>> {
  const first: number[] = [];
  const second: number[] = [];
  const text: number[] = [];
  await peer.answer([{ role: "user", content: "Warm up." }], 4);
  for (let round = 0; round < rounds; round++) {
    const asked: ChatMessage = { role: "user", content: [{ type: "image", image: await picture(round) }, { type: "text", text: question }] };
    first.push(await timed(() => peer.answer([asked], 1)));
    second.push(await timed(() => peer.answer([asked, { role: "assistant", content: "A bear." }, { role: "user", content: `How many are there, at ${round}?` }], 1)));
    const plain: ChatMessage = { role: "user", content: `${question} (${round})` };
    await peer.answer([plain], 1);
    text.push(await timed(() => peer.answer([plain, { role: "assistant", content: "A bear." }, { role: "user", content: `How many are there, at ${round}?` }], 1)));
  }
  const talk = (i: number): readonly ChatMessage[] => [{ role: "user", content: `Tell me about the number ${i}.` }];
  const one: number[] = [];
  const four: number[] = [];
  for (let round = 0; round < rounds; round++) {
    one.push(tokens / (await timed(() => peer.answer(talk(100 + round), tokens))));
    four.push((conversations * tokens) / (await timed(() => Promise.all(Array.from({ length: conversations }, (_, i) => peer.answer(talk(1000 + 10 * round + i), tokens))))));
  }
  return {
    firstTokenMs: median(first), secondQuestionMs: median(second), textQuestionMs: median(text), secondOverText: median(second) / median(text),
    oneTokensPerSecond: 1000 * Math.max(...one), fourTokensPerSecond: 1000 * Math.max(...four), fourOverOne: Math.max(...four) / Math.max(...one),
  };
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return performance.now() - started;
}

/** A new picture each time, so that nobody's cache knows it. */
async function picture(seed: number): Promise<Uint8Array> {
  const side = 384;
  const salt = Math.floor(Math.random() * 251) + seed;
  const data = Uint8Array.from({ length: side * side * 3 }, (_, i) => (i * (salt + 7)) % 251);
  return new Uint8Array(await sharp(data, { raw: { width: side, height: side, channels: 3 } }).png().toBuffer());
}

async function inProcess({ mmproj, decoder, threads, precision }: ServerBenchOptions): Promise<Peer> {
  const chat = await loadVisionChat({ mmproj, decoder }, { threads, precision, conversations, contextLength: 4096 });
  return {
    answer: async (messages, maxTokens) => (await chat.stream({ messages, maxTokens, ignoreEnd: true, sampling: { temperature: 0 } }).result).text,
    [Symbol.asyncDispose]: () => chat[Symbol.asyncDispose](),
  };
}

async function serve({ server, mmproj, decoder, threads }: ServerBenchOptions, more: readonly string[]): Promise<Peer> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const child = spawn(server, ["-m", decoder, "--mmproj", mmproj, "--host", "127.0.0.1", "--port", String(port), "-t", String(threads), "-c", String(4096 * conversations), "-np", String(conversations), ...more], { stdio: "ignore", env: { ...process.env, LLAMA_MEDIA_MARKER: marker } });
  const ended = once(child, "exit");
  while (!(await fetch(`${url}/health`).then(({ ok }) => ok, () => false))) {
    if (child.exitCode !== null || child.signalCode !== null) throw new Error(`bench llama-server: ${server} ended with ${child.exitCode ?? child.signalCode} before it was ready`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  return {
    // Its completion endpoint: the one for chats fails on what a random decoder says.
    async answer(messages, maxTokens) {
      const images: string[] = [];
      const prompt = `${messages.map((message) => `<|im_start|>${message.role}\n${wireContent(message, images)}<|im_end|>\n`).join("")}<|im_start|>assistant\n`;
      const body = { prompt: images.length === 0 ? prompt : { prompt_string: prompt, multimodal_data: images }, n_predict: maxTokens, ignore_eos: true, temperature: 0, cache_prompt: true };
      const response = await fetch(`${url}/completion`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
      if (!response.ok) throw new Error(`bench llama-server: ${response.status}: ${await response.text()}`);
      const { content, tokens_predicted: predicted } = (await response.json()) as { content: string; tokens_predicted: number };
      if (predicted !== maxTokens) throw new Error(`bench llama-server: expected ${maxTokens} tokens, got ${predicted}`);
      return content;
    },
    async [Symbol.asyncDispose]() {
      child.kill();
      await ended;
    },
  };
}

function wireContent({ content }: ChatMessage, images: string[]): string {
  if (typeof content === "string") return content;
  return content.map((part) => (part.type === "text" ? part.text : (images.push(Buffer.from(part.image as Uint8Array).toString("base64")), marker))).join("");
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  if (address === null || typeof address === "string") throw new Error("bench llama-server: no port");
  return address.port;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
