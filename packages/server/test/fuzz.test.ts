import type { RunningServer } from "@sightline/server";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { metricsOf, until } from "./metrics-of.js";
import { aboutScene, miniServer, post, sceneUrl } from "./mini-server.js";

let server: RunningServer;
beforeAll(async () => {
  // One thread each: on a machine that is busy, two would wait for each other at every token.
  server = await miniServer({ models: [{ name: "mini", path: "mini", threads: 1 }], siglip: [{ name: "mini-siglip", path: "mini", threads: 1 }], limits: { tokens: 8, waiting: 1000 } });
});
afterAll(() => server.close());

/** Any JSON, with names and values of the API among it, so that some of it gets far. */
const anything: fc.Arbitrary<unknown> = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small" },
    fc.constantFrom<unknown>(null, true, false, 0, -1, 1, 2, 0.5, 1e308, -0, 2 ** 53, "", "user", "text", "image_url", "mini", "mini-siglip", "a", sceneUrl, sceneUrl.slice(0, 300), "data:,", "data:image/png;base64,", "https://127.1/x", "file:///etc/passwd", "{label}", "\ud800", "\0", [], {}),
    fc.string({ unit: "binary", maxLength: 30 }),
    fc.double(),
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(fc.constantFrom("type", "text", "url", "image_url", "content", "role", "schema", "detail", "__proto__", "constructor", "$ref"), tie("value"), { maxKeys: 4 }),
  ),
})).value;

const fields: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  "/v1/chat/completions": { messages: [aboutScene()] },
  "/v1/responses": { input: "Hello" },
  "/v1/embeddings": { input: ["a"] },
  "/v1/tag": { image: sceneUrl, labels: ["cat"] },
  "/v1/heatmap": { image: sceneUrl, text: "cat" },
  "/v1/models/pull": { model: "mini" },
};
const names = [
  "model", "messages", "input", "image", "labels", "text", "template", "templates", "threshold", "stream", "stream_options", "max_tokens", "max_completion_tokens", "max_output_tokens", "temperature", "top_p", "top_k", "min_p", "seed", "stop", "n",
  "logprobs", "top_logprobs", "response_format", "logit_bias", "frequency_penalty", "presence_penalty", "tools", "tool_choice", "encoding_format", "dimensions", "instructions", "metadata", "ignore_eos", "unknown",
];
/** null but once in so many times. */
const seldom = <T>(times: number, arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.oneof({ weight: times - 1, arbitrary: fc.constant(null) }, { weight: 1, arbitrary });

/** Values that a field may well have, so that half of the requests come as far as a model. */
const plausible: fc.Arbitrary<Record<string, unknown>> = fc.record(
  {
    stream: fc.boolean(), temperature: fc.double({ min: 0, max: 2, noNaN: true }), top_p: fc.double({ min: 0, max: 1, noNaN: true }), top_k: fc.nat(50), seed: fc.integer(), max_tokens: fc.integer({ min: 1, max: 20 }), max_output_tokens: fc.integer({ min: 1, max: 20 }),
    stop: fc.oneof(fc.string({ minLength: 1, maxLength: 5 }), fc.array(fc.string({ unit: "binary", minLength: 1, maxLength: 5 }), { maxLength: 3 })), logprobs: fc.constant(true), top_logprobs: fc.nat(20), frequency_penalty: fc.double({ min: -2, max: 2, noNaN: true }), threshold: fc.double({ min: 0, max: 1, noNaN: true }),
    labels: fc.array(fc.string({ unit: "binary", maxLength: 20 }), { minLength: 1, maxLength: 3 }), instructions: fc.string({ unit: "binary", maxLength: 20 }), encoding_format: fc.constantFrom("float", "base64"), response_format: fc.constantFrom({ type: "text" }, { type: "json_object" }),
    logit_bias: fc.dictionary(fc.nat(2000).map(String), fc.integer({ min: -100, max: 100 }), { maxKeys: 3 }),
  },
  { requiredKeys: [] },
);
/** A good request with some fields changed, or no such thing at all. */
const request = fc.record({
  // Towers take longest.
  path: fc.constantFrom(...Object.keys(fields).flatMap((path) => Array<string>(["/v1/tag", "/v1/heatmap", "/v1/embeddings"].includes(path) ? 1 : 3).fill(path))),
  likely: plausible,
  changes: fc.dictionary(fc.constantFrom(...names), fc.oneof({ weight: 3, arbitrary: anything }, { weight: 1, arbitrary: fc.constant("drop") }), { maxKeys: 3 }),
  whole: seldom(8, anything),
  cut: seldom(15, fc.nat(400)),
});

describe("2,000 requests that nobody would send", () => {
  it("are answered or refused in OpenAI's shape, and leave the server as it was", { timeout: 240_000 }, async () => {
    const statuses: Record<number, number> = {};
    const one = fc.asyncProperty(fc.array(request, { minLength: 10, maxLength: 10 }), async (requests) => {
      await Promise.all(
        requests.map(async ({ path, likely, changes, whole, cut }) => {
          const body = { ...fields[path], ...likely, ...changes };
          for (const [name, value] of Object.entries(changes)) if (value === "drop") delete body[name];
          const text = JSON.stringify(whole ?? body) ?? "";
          const response = await fetch(server.url + path, { method: "POST", headers: { "content-type": "application/json" }, body: cut === null ? text : text.slice(0, cut) });
          const answered = await response.text();
          statuses[response.status] = (statuses[response.status] ?? 0) + 1;
          if (response.status >= 500 && response.status !== 501) throw new Error(`${path}: ${response.status}: ${answered}: ${text.slice(0, 500)}`);
          if (response.status === 200) {
            if (response.headers.get("content-type")?.startsWith("text/event-stream")) expect(answered).toMatch(/(\[DONE\]|"type":"response\.(completed|incomplete|failed)".*)\n\n$/s);
            else JSON.parse(answered);
            return;
          }
          expect(JSON.parse(answered)).toEqual({ error: { message: expect.any(String), type: expect.any(String), param: expect.toBeOneOf([null, expect.any(String)]), code: expect.any(String) } });
        }),
      );
    });
    await fc.assert(one, { numRuns: 200, seed: 20_261_128, endOnFailure: true });
    expect(Object.values(statuses).reduce((sum, count) => sum + count, 0)).toBe(2000);
    // Some get through, and most of the ways to be wrong are met.
    expect(statuses[200]).toBeGreaterThan(100);
    expect(statuses[400]).toBeGreaterThan(500);
    expect(statuses[404]).toBeGreaterThan(3);
    await until(async () => (await metricsOf(server))("sightline_requests_running") === 0);
    expect((await post(server, "/v1/chat/completions", { messages: [aboutScene()], max_tokens: 4 })).json.choices[0].message.content).toBe("I see an airplane");
    expect((await post(server, "/v1/tag", { image: sceneUrl, labels: ["hamburger"] })).json.none_of_the_above).toBe(false);
  });
});
