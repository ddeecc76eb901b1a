import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:net";
import { performance } from "node:perf_hooks";
import { fileURLToPath } from "node:url";
import { Command } from "commander";
import { findModelFiles, loadVisionChat, type ChatMessage } from "sightline";

interface ServeBenchOptions {
  readonly model: string;
  readonly clients: number;
  readonly seconds: number;
  readonly cancel: number;
  readonly tokens: number;
  readonly conversations: number;
  readonly rounds: number;
  readonly llamaServer?: string;
}

/** A server in a process of its own. */
interface Peer extends AsyncDisposable {
  readonly url: string;
  /** Resident bytes of its process. */
  readonly resident: () => Promise<number>;
}

const question = "What do you see?";

/**
 * `bench serve`: the server under clients that come and go, and alone: first byte about a picture that was seen before, what
 * HTTP adds to the library, resident memory. With `--llama-server`, llama.cpp's own on the same GGUF pair under the same
 * clients, one after the other.
 */
export function serveBench(): Command {
  return new Command("serve")
    .option("--model <name|folder>", "which model", "mini")
    .option("--clients <n>", "clients at once", Number, 64)
    .option("--seconds <n>", "how long", Number, 60)
    .option("--cancel <share>", "requests that go away in the middle", Number, 0.3)
    .option("--tokens <n>", "length of an answer; the end of text is ignored", Number, 24)
    .option("--conversations <n>", "answers that a server generates together", Number, 4)
    .option("--rounds <n>", "requests of a client that is alone", Number, 100)
    .option("--llama-server <path>", "llama-server, built from llama.cpp's source")
    .action(async (options: ServeBenchOptions) => {
      const picture = await readFile(fileURLToPath(new URL("../../examples/scene.png", import.meta.url)));
      const result: Record<string, unknown> = { clients: options.clients, seconds: options.seconds, cancelled: options.cancel, tokens: options.tokens };
      {
        await using peer = await sightline(options);
        const idleMb = (await peer.resident()) / 1e6;
        result["sightline"] = { idleMb, ...(await alone(peer, picture, options)), ...(await overhead(peer, picture, options)), ...(await crowd(peer, picture, options)) };
      }
      if (options.llamaServer !== undefined) {
        await using peer = await llamaServer(options.llamaServer, options);
        const idleMb = (await peer.resident()) / 1e6;
        result["llama-server"] = { idleMb, ...(await alone(peer, picture, options)), ...(await crowd(peer, picture, options)) };
      }
      process.stdout.write(`${JSON.stringify(result, (_, value: unknown) => (typeof value === "number" ? Number(value.toPrecision(4)) : value), 2)}\n`);
    });
}

/** One client, one request after the other, about one picture. */
async function alone(peer: Peer, picture: Buffer, { rounds }: ServeBenchOptions): Promise<Record<string, number>> {
  const first: number[] = [];
  for (let round = -3; round < rounds; round++) {
    const { firstByteMs } = await ask(peer.url, { ...about(picture), stream: true, max_tokens: 8 });
    if (round >= 0) first.push(firstByteMs);
  }
  return { seenPictureFirstByteMsP50: quantile(first, 0.5), seenPictureFirstByteMsP99: quantile(first, 0.99) };
}

/** One token about a picture that was seen, over HTTP and by the library in this process, in turns, so that both meet the same machine. */
async function overhead(peer: Peer, picture: Buffer, { model, conversations, rounds }: ServeBenchOptions): Promise<Record<string, number>> {
  await using chat = await loadVisionChat(model, { conversations });
  const messages: readonly ChatMessage[] = [{ role: "user", content: [{ type: "image", image: picture }, { type: "text", text: question }] }];
  const [http, library]: [number[], number[]] = [[], []];
  for (let round = -3; round < rounds; round++) {
    const started = performance.now();
    await ask(peer.url, { ...about(picture), stream: false, max_tokens: 1 });
    const between = performance.now();
    await chat.stream({ messages, maxTokens: 1 }).result;
    if (round < 0) continue;
    http.push(between - started);
    library.push(performance.now() - between);
  }
  return { httpMsP50: quantile(http, 0.5), libraryMsP50: quantile(library, 0.5), httpMsLeast: Math.min(...http), libraryMsLeast: Math.min(...library) };
}

/** Many clients that come and go. */
async function crowd(peer: Peer, picture: Buffer, { clients, seconds, cancel, tokens }: ServeBenchOptions): Promise<Record<string, unknown>> {
  const ends = performance.now() + seconds * 1000;
  const outcomes: Record<string, number> = {};
  const ttft: number[] = [];
  const resident = [await peer.resident()];
  const sampler = setInterval(() => void peer.resident().then((bytes) => resident.push(bytes)), 1000);
  const client = async (): Promise<void> => {
    while (performance.now() < ends) {
      const controller = new AbortController();
      const timer = Math.random() < cancel ? setTimeout(() => controller.abort(), Math.random() * 500) : undefined;
      let outcome: string;
      try {
        const { status, text, firstTextMs, retryAfter } = await ask(peer.url, { ...about(picture), stream: true, max_tokens: tokens, ignore_eos: true }, controller.signal);
        if (status === 429) {
          outcome = "429";
          // A client that waits as long as it is told to would hide the queue behind it in a run of a minute.
          await new Promise((resolve) => setTimeout(resolve, Math.min(250, retryAfter * 1000)));
        } else {
          outcome = status === 200 && text.trimEnd().endsWith("data: [DONE]") && !text.includes('"error"') ? "whole" : `broken (${status})`;
          if (outcome === "whole" && firstTextMs !== undefined) ttft.push(firstTextMs);
        }
      } catch (error) {
        outcome = controller.signal.aborted ? "cancelled" : `failed (${error instanceof Error ? error.message : "?"})`;
      }
      clearTimeout(timer);
      outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
    }
  };
  const started = performance.now();
  await Promise.all(Array.from({ length: clients }, client));
  clearInterval(sampler);
  const tail = resident.slice(-Math.ceil(resident.length / 4));
  const quarter = resident.slice(Math.floor(resident.length / 4), Math.ceil(resident.length / 2));
  return {
    outcomes,
    wholeAnswersPerSecond: ((outcomes["whole"] ?? 0) * 1000) / (performance.now() - started),
    ttftMsP50: quantile(ttft, 0.5), ttftMsP99: quantile(ttft, 0.99),
    residentMb: { before: (resident[0] as number) / 1e6, secondQuarter: quantile(quarter, 0.5) / 1e6, lastQuarter: quantile(tail, 0.5) / 1e6, most: Math.max(...resident) / 1e6 },
  };
}

function about(picture: Buffer): object {
  return { messages: [{ role: "user", content: [{ type: "image_url", image_url: { url: `data:image/png;base64,${picture.toString("base64")}` } }, { type: "text", text: question }] }], temperature: 0 };
}

interface Answered {
  readonly status: number;
  readonly text: string;
  readonly firstByteMs: number;
  /** Of the first chunk that has text, from sending the request. */
  readonly firstTextMs: number | undefined;
  readonly retryAfter: number;
}

async function ask(url: string, body: object, signal?: AbortSignal): Promise<Answered> {
  const text = JSON.stringify(body);
  const started = performance.now();
  const response = await fetch(`${url}/v1/chat/completions`, { method: "POST", headers: { "content-type": "application/json" }, body: text, ...(signal ? { signal } : {}) });
  let firstByteMs = Number.NaN;
  let firstTextMs: number | undefined;
  let all = "";
  const decoder = new TextDecoder();
  for await (const chunk of response.body ?? []) {
    if (all === "") firstByteMs = performance.now() - started;
    all += decoder.decode(chunk as Uint8Array, { stream: true });
    if (firstTextMs === undefined && /"content":"[^"]/.test(all)) firstTextMs = performance.now() - started;
  }
  return { status: response.status, text: all, firstByteMs, firstTextMs, retryAfter: Number(response.headers.get("retry-after") ?? 1) };
}

async function sightline({ model, conversations, clients }: ServeBenchOptions): Promise<Peer> {
  const port = await freePort();
  const bin = fileURLToPath(new URL("../../packages/sightline/bin/sightline.js", import.meta.url));
  return startPeer(process.execPath, [bin, "serve", "--model", model, "--port", String(port), "--conversations", String(conversations), "--waiting", String(clients), "--log", "silent"], port);
}

async function llamaServer(server: string, { model, conversations }: ServeBenchOptions): Promise<Peer> {
  const port = await freePort();
  const { mmproj, decoder } = await findModelFiles(model);
  return startPeer(server, ["-m", decoder, "--mmproj", mmproj, "--host", "127.0.0.1", "--port", String(port), "-c", String(4096 * conversations), "-np", String(conversations), "--jinja"], port);
}

async function startPeer(program: string, args: readonly string[], port: number): Promise<Peer> {
  const child: ChildProcess = spawn(program, args, { stdio: "ignore" });
  const ended = once(child, "exit");
  const url = `http://127.0.0.1:${port}`;
  while (!(await fetch(`${url}/health`).then(({ ok }) => ok, () => false))) {
    if (child.exitCode !== null) throw new Error(`bench serve: ${program} ended with ${child.exitCode} before it was ready`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return {
    url,
    resident: async () => Number(/VmRSS:\s+(\d+) kB/.exec(await readFile(`/proc/${child.pid}/status`, "utf8"))?.[1] ?? Number.NaN) * 1024,
    async [Symbol.asyncDispose]() {
      child.kill();
      await ended;
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  if (address === null || typeof address === "string") throw new Error("bench serve: no port");
  return address.port;
}

function quantile(values: readonly number[], q: number): number {
  return values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(q * values.length))] ?? Number.NaN;
}
