import { connect } from "node:net";
import type { RunningServer } from "@sightline/server";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { metricsOf, until } from "./metrics-of.js";
import { aboutScene, answer, events, miniServer, post } from "./mini-server.js";

/** An answer that takes most of a second, unless somebody stops it. */
const long = { messages: [aboutScene()], max_tokens: 3000, ignore_eos: true, stream: true };

const open = (server: RunningServer, body: object, signal?: AbortSignal) =>
  fetch(`${server.url}/v1/chat/completions`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body), ...(signal ? { signal } : {}) });
const running = async (server: RunningServer): Promise<number> => (await metricsOf(server))("sightline_requests_running", { model: "mini" });

describe("a client that goes away", () => {
  let server: RunningServer;
  beforeAll(async () => {
    server = await miniServer({ siglip: [], models: [{ name: "mini", path: "mini", conversations: 1 }] });
  });
  afterAll(() => server.close());

  it.each([true, false])("frees its place at once, with a stream: %s", async (stream) => {
    const before = (await metricsOf(server))("sightline_tokens_total", { kind: "completion" });
    const controller = new AbortController();
    const asked = open(server, { ...long, stream }, controller.signal);
    asked.catch(() => {});
    if (stream) await (await asked).body?.getReader().read();
    else await until(async () => (await running(server)) === 1);
    controller.abort();
    expect(await until(async () => (await running(server)) === 0)).toBeLessThan(1000);
    const after = await metricsOf(server);
    // 3000 were asked for; a thousand take over 100 ms.
    expect(after("sightline_tokens_total", { kind: "completion" }) - before).toBeLessThan(1500);
    expect(after("sightline_answers_aborted_total")).toBeGreaterThan(0);
    expect((await post(server, "/v1/chat/completions", { messages: [aboutScene()] })).json.choices[0].message.content).toBe(answer);
  });

  it("leaves the line when it goes while it waits", async () => {
    const first = await open(server, long);
    const controller = new AbortController();
    const second = open(server, long, controller.signal);
    second.catch(() => {});
    const waiting = async () => (await metricsOf(server))("sightline_requests_waiting", { model: "mini" });
    await until(async () => (await waiting()) === 1);
    controller.abort();
    expect(await until(async () => (await waiting()) === 0)).toBeLessThan(1000);
    await first.body?.cancel();
    expect(await until(async () => (await running(server)) === 0)).toBeLessThan(1000);
  });
});

describe("a server whose places are taken", () => {
  it("answers 429 with when to come back, and serves those in line in their order", async () => {
    await using server = await miniServer({ siglip: [], models: [{ name: "mini", path: "mini", conversations: 1 }], limits: { waiting: 2 } });
    const first = await open(server, long);
    const ended: number[] = [];
    const inLine = [0, 1].map((i) => post(server, "/v1/chat/completions", { messages: [aboutScene()], max_tokens: 3 }).then(({ status }) => (ended.push(i), status)));
    await until(async () => (await metricsOf(server))("sightline_requests_waiting") === 2);
    const refused = await post(server, "/v1/chat/completions", { messages: [aboutScene()] });
    expect([refused.status, refused.json.error.type, refused.json.error.code]).toEqual([429, "rate_limit_error", "queue_full"]);
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
    await first.body?.cancel();
    expect(await Promise.all(inLine)).toEqual([200, 200]);
    expect(ended).toEqual([0, 1]);
  });

  it("answers 429 where bodies hold all the bytes that they may", async () => {
    await using server = await miniServer({ siglip: [], limits: { totalBodyBytes: 250_000 } });
    const streams = await Promise.all([0, 1, 2, 3].map(() => open(server, { ...long, messages: [{ role: "user", content: "x" }], padding: "y".repeat(100_000) })));
    expect(streams.map(({ status }) => status).sort()).toEqual([200, 200, 429, 429]);
    await Promise.all(streams.map(({ body }) => body?.cancel()));
    await until(async () => (await running(server)) === 0);
    expect((await post(server, "/v1/chat/completions", { messages: [aboutScene()], padding: "y".repeat(100_000) })).status).toBe(200);
  });
});

describe("time", () => {
  it("cuts an answer short as its length does, and one that has not begun with 504", async () => {
    await using server = await miniServer({ siglip: [], models: [{ name: "mini", path: "mini", conversations: 1 }], limits: { seconds: 1.5 } });
    await post(server, "/v1/chat/completions", { messages: [aboutScene()] });
    const streamed = events(server, "/v1/chat/completions", long);
    // Together they take seconds, however fast the machine.
    const inLine = Array.from({ length: 40 }, () => post(server, "/v1/chat/completions", { ...long, stream: false }));
    const data = (await streamed).map((event) => event.data);
    expect(data.at(-1)).toBe("[DONE]");
    expect(JSON.parse(data.at(-2) as string).choices[0].finish_reason).toBe("length");
    // They come one after the other and so do their ends: whoever's turn came just before its own has a few words, others none.
    const outcomes = (await Promise.all(inLine)).map(({ status, json }) => (status === 200 ? json.choices[0].finish_reason : `${status} ${json.error.code}`));
    expect([...new Set(outcomes)].sort()).toEqual(["504 time_limit", "length"]);
  });
});

describe("an answer that is not read", () => {
  it("does not hold its place", async () => {
    await using server = await miniServer({ siglip: [], models: [{ name: "mini", path: "mini", conversations: 1, threads: 1 }] });
    const stalled = await open(server, { ...long, max_tokens: 1000, logprobs: true, top_logprobs: 20 });
    expect((await post(server, "/v1/chat/completions", { messages: [aboutScene()] })).json.choices[0].message.content).toBe(answer);
    await stalled.body?.cancel();
  });
});

describe("a bad request", () => {
  it("harms no answer beside it", async () => {
    await using server = await miniServer({ siglip: [] });
    const good = Array.from({ length: 6 }, () => events(server, "/v1/chat/completions", { messages: [aboutScene()], stream: true }));
    const bad = [
      { messages: [aboutScene("x", `data:image/png;base64,${"A".repeat(400)}`)] }, { messages: [] }, { messages: [aboutScene("y ".repeat(20_000))] }, { messages: [aboutScene()], logit_bias: { 999999999: 1 } },
      { messages: [aboutScene()], response_format: { type: "json_schema", json_schema: { schema: { type: "nothing" } } } },
    ].map((body) => post(server, "/v1/chat/completions", body));
    const texts = (await Promise.all(good)).map((all) => all.slice(0, -1).map(({ data }) => JSON.parse(data).choices[0].delta.content ?? "").join(""));
    expect(texts).toEqual(Array.from({ length: 6 }, () => answer));
    for (const { status } of await Promise.all(bad)) expect(status).toBe(400);
  });
});

describe("closing", () => {
  it("lets streams end, takes no new requests, and frees the port", async () => {
    const server = await miniServer({ siglip: [] });
    const response = await open(server, { ...long, max_tokens: 400 });
    const kept = await fetch(`${server.url}/health`);
    expect(kept.status).toBe(200);
    const closed = server.close();
    expect(server.close()).toBe(closed);
    const refused = await fetch(`${server.url}/health`).then(({ status }) => status, () => "refused");
    expect([503, "refused"]).toContain(refused);
    const text = await response.text();
    expect(text.endsWith("data: [DONE]\n\n")).toBe(true);
    expect(text.match(/^data: /gm)?.length).toBeGreaterThan(100);
    expect(text).toContain('"finish_reason":"length"');
    await closed;
    await expect(fetch(`${server.url}/health`)).rejects.toThrow();
  });

  it("waits for nobody who has asked nothing", async () => {
    const server = await miniServer({ siglip: [] });
    const { port, hostname } = new URL(server.url);
    const silent = connect(Number(port), hostname);
    const half = connect(Number(port), hostname);
    half.write("GET /health HTTP/1.1\r\nHost:");
    await (await fetch(`${server.url}/health`)).text();
    const started = performance.now();
    await server.close();
    expect(performance.now() - started).toBeLessThan(3000);
    for (const socket of [silent, half]) socket.destroy();
  });

  it("ends streams that take too long, in order", async () => {
    const server = await miniServer({ siglip: [], limits: { closeSeconds: 0.1 } });
    const response = await open(server, long);
    const started = performance.now();
    await server.close();
    expect(performance.now() - started).toBeLessThan(2000);
    expect((await response.text()).endsWith("data: [DONE]\n\n")).toBe(true);
  });
});

describe("64 clients that come and go", () => {
  it("get an answer or 429, every stream ends as it should, and nothing is left over", { timeout: 60_000 }, async () => {
    await using server = await miniServer({ siglip: [{ name: "mini-siglip", path: "mini" }], limits: { waiting: 40 } });
    await post(server, "/v1/chat/completions", { messages: [aboutScene()] });
    const until5 = performance.now() + 5000;
    const outcomes: Record<string, number> = {};
    const count = (outcome: string): void => void (outcomes[outcome] = (outcomes[outcome] ?? 0) + 1);
    let seed = 1;
    const random = (): number => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647;
    const client = async (): Promise<void> => {
      while (performance.now() < until5) {
        const controller = new AbortController();
        const cancels = random() < 0.3;
        const timer = cancels ? setTimeout(() => controller.abort(), random() * 120) : undefined;
        try {
          const response = await open(server, { messages: [aboutScene()], stream: true, max_tokens: 24, ignore_eos: random() < 0.5 }, controller.signal);
          const text = await response.text();
          if (response.status === 429) {
            count("429");
            await new Promise((resolve) => setTimeout(resolve, 20 + random() * 80));
          } else if (response.status === 200 && text.endsWith("data: [DONE]\n\n") && !text.includes('"error"')) count("whole");
          else count(`broken: ${response.status} ${text.slice(0, 200)}`);
        } catch (error) {
          count(controller.signal.aborted ? "cancelled" : `failed: ${String(error)}`);
        } finally {
          clearTimeout(timer);
        }
      }
    };
    await Promise.all(Array.from({ length: 64 }, client));
    expect(Object.keys(outcomes).filter((outcome) => !["429", "whole", "cancelled"].includes(outcome))).toEqual([]);
    expect(outcomes["whole"]).toBeGreaterThan(20);
    expect(outcomes["cancelled"]).toBeGreaterThan(5);
    await until(async () => (await running(server)) === 0);
    const left = await metricsOf(server);
    expect(left("sightline_requests_waiting")).toBe(0);
    expect(left("sightline_images_encoded", { model: "mini" })).toBe(1);
    expect((await post(server, "/v1/chat/completions", { messages: [aboutScene()] })).json.choices[0].message.content).toBe(answer);
  });
});
