import { once } from "node:events";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { streamChat, type ChatEvent } from "../page/src/api/chat-completion";
import { listModels } from "../page/src/api/models";

const request = { model: "mini", messages: [], temperature: 0, max_tokens: 8 };

/** How a server, or what stands before it, may answer. */
const answers: Record<string, (response: ServerResponse) => void> = {
  whole: (response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    const chunks = [
      { choices: [{ delta: { role: "assistant", content: "" } }] },
      { choices: [{ delta: { content: "Two " } }] },
      { choices: [{ delta: { content: "crabs." } }] },
      { choices: [{ delta: {}, finish_reason: "stop" }], timings: { predicted_n: 3, predicted_per_second: 812.5, ttft_ms: 17.25, encode_ms: 0 } },
      { choices: [], usage: { prompt_tokens: 70, completion_tokens: 3 } },
    ];
    response.end(`${chunks.map((chunk) => `data: ${JSON.stringify(chunk)}\n\n`).join("")}data: [DONE]\n\n`);
  },
  "cut off": (response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.end('data: {"choices":[{"delta":{"content":"Two "}}]}\n\n');
  },
  broken: (response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write('data: {"choices":[{"delta":{"content":"Two "}}]}\n\n');
    setTimeout(() => response.destroy(), 20);
  },
  "failing half-way": (response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.end('data: {"choices":[{"delta":{"content":"Two "}}]}\n\ndata: {"error":{"message":"the answer took too long","code":"timeout"}}\n\n');
  },
  nonsense: (response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.end("data: <html>\n\n");
  },
  refusing: (response) => response.writeHead(400, { "content-type": "application/json" }).end('{"error":{"message":"the prompt is too long","type":"invalid_request_error","param":null,"code":"context_length_exceeded"}}'),
  busy: (response) => response.writeHead(429, { "retry-after": "3" }).end('{"error":{"message":"queue full"}}'),
  loading: (response) => response.writeHead(503).end(""),
  proxy: (response) => response.writeHead(502, { "content-type": "text/html" }).end("<h1>Bad gateway</h1>"),
  endless: (response) => response.writeHead(200, { "content-type": "text/event-stream" }).write('data: {"choices":[{"delta":{"content":"Two "}}]}\n\n'),
};

describe("the page's requests, over HTTP", () => {
  let server: Server;
  let how = "whole";
  let left: Promise<unknown> | undefined;

  beforeAll(async () => {
    server = createServer((_, response) => {
      left = once(response, "close");
      answers[how]?.(response);
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const real = fetch;
    const { port } = server.address() as AddressInfo;
    // A page's paths are those of its own origin.
    vi.stubGlobal("fetch", (path: string, init?: RequestInit) => real(`http://127.0.0.1:${port}${path}`, init));
  });

  afterAll(() => {
    vi.unstubAllGlobals();
    server.closeAllConnections();
    server.close();
  });

  const read = async (kind: string): Promise<ChatEvent[]> => {
    how = kind;
    const events: ChatEvent[] = [];
    for await (const event of streamChat(request, new AbortController().signal)) events.push(event);
    return events;
  };

  it("read an answer as it comes, and what it took", async () => {
    expect(await read("whole")).toEqual([
      { type: "text", text: "Two " },
      { type: "text", text: "crabs." },
      { type: "end", finishReason: "stop", timings: { promptTokens: 70, tokens: 3, tokensPerSecond: 812.5, firstTokenMs: 17.25, encodeMs: 0 } },
    ]);
  });

  it.each([
    ["cut off", "unreachable", "The connection ended before the answer was complete."],
    ["broken", "unreachable", "The connection broke off before the answer was complete."],
    ["failing half-way", "broken", "the answer took too long"],
    ["nonsense", "broken", "The server sent something that is not JSON."],
    ["refusing", "refused", "the prompt is too long"],
    ["busy", "busy", "The server is busy. Try again in 3 seconds."],
    ["loading", "busy", "The model is still loading."],
    ["proxy", "broken", "The server answered 502 Bad Gateway"],
  ])("tell of a server that is %s", async (kind, expected, message) => {
    await expect(read(kind)).rejects.toMatchObject({ name: "ApiError", kind: expected, message });
  });

  it("leave the server when they are stopped, with the reason for it", async () => {
    how = "endless";
    const controller = new AbortController();
    const reading = (async () => {
      for await (const _ of streamChat(request, controller.signal)) controller.abort(new Error("enough"));
    })();
    await expect(reading).rejects.toThrow("enough");
    await left;
  });

  it("tell of a server that does not answer", async () => {
    vi.stubGlobal("fetch", () => Promise.reject(new TypeError("Failed to fetch")));
    await expect(listModels()).rejects.toMatchObject({ kind: "unreachable", message: "The server does not answer. Is it still running?" });
  });
});
