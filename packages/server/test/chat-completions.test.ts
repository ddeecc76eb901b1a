import { readFile } from "node:fs/promises";
import type { RunningServer } from "@sightline/server";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { aboutScene, answer, events, examples, miniServer, post, question, scene, sceneUrl } from "./mini-server.js";

let server: RunningServer;
beforeAll(async () => {
  server = await miniServer();
});
afterAll(() => server.close());

const ask = (body: object) => post(server, "/v1/chat/completions", body);
const chunks = async (body: object) => (await events(server, "/v1/chat/completions", { stream: true, ...body })).map(({ data }) => data);

describe("an answer as a whole", () => {
  it("is right about the picture, and counts its tokens", async () => {
    const { status, json } = await ask({ model: "mini", messages: [aboutScene()] });
    expect(status).toBe(200);
    expect(json).toMatchObject({ object: "chat.completion", model: "mini", choices: [{ index: 0, message: { role: "assistant", content: answer }, finish_reason: "stop" }] });
    expect(json.usage.prompt_tokens_details.image_tokens).toBe(64);
    expect(json.usage.total_tokens).toBe(json.usage.prompt_tokens + json.usage.completion_tokens);
    expect(json.timings).toMatchObject({ predicted_n: json.usage.completion_tokens });
    expect(json.timings.cache_n + json.timings.prompt_n).toBe(json.usage.prompt_tokens);
  });

  it("says how much of a repeated prompt was cached, and encodes its picture once", async () => {
    await ask({ messages: [aboutScene()] });
    const { json } = await ask({ messages: [aboutScene()] });
    expect(json.usage.prompt_tokens_details.cached_tokens).toBe(json.usage.prompt_tokens - 1);
    expect(json.timings.encode_ms).toBe(0);
  });

  it.each([
    ["a data: URL", { url: sceneUrl }],
    ["plain base64", { url: scene.toString("base64") }],
    ["a bare string, as Ollama takes it", sceneUrl],
    ["a bare string of base64", scene.toString("base64")],
    ["base64 in lines", { url: scene.toString("base64").replace(/.{76}/g, "$&\r\n") }],
    ["a data: URL without base64", { url: `data:image/png,${[...scene].map((byte) => `%${byte.toString(16).padStart(2, "0")}`).join("")}` }],
    ["a data: URL of another type in capitals", { url: sceneUrl.replace("data:image/png;base64", "DATA:application/octet-stream;charset=x;BASE64") }],
    ["a detail", { url: sceneUrl, detail: "low" }],
  ])("takes a picture as %s", async (_, image_url) => {
    const { json } = await ask({ messages: [{ role: "user", content: [{ type: "image_url", image_url }, { type: "text", text: question }] }] });
    expect(json.choices[0].message.content).toBe(answer);
  });

  it("is the same without /v1", async () => {
    expect((await post(server, "/chat/completions", { messages: [aboutScene()] })).json.choices[0].message.content).toBe(answer);
  });

  it("knows several pictures and turns", async () => {
    const other = (await readFile(`${examples}scene.png`)).toString("base64");
    const messages = [{ role: "developer", content: "You look at pictures." }, aboutScene(), { role: "assistant", content: answer }, aboutScene("Is there a hamburger?", other)];
    const { json } = await ask({ messages });
    expect(json.usage.prompt_tokens_details.image_tokens).toBe(128);
    expect(json.choices[0].message.content).toMatch(/^Yes/);
  });

  it("is cut at max_tokens, max_completion_tokens first", async () => {
    const { json } = await ask({ messages: [aboutScene()], max_tokens: 9, max_completion_tokens: 3 });
    expect(json.choices[0]).toMatchObject({ finish_reason: "length", message: { content: "I see an" } });
    expect(json.usage.completion_tokens).toBe(3);
  });

  it("ends before a stop string", async () => {
    const { json } = await ask({ messages: [aboutScene()], stop: [",", "sailboat"] });
    expect(json.choices[0]).toMatchObject({ finish_reason: "stop", message: { content: "I see an airplane" } });
  });

  it("repeats itself with a seed and not without", async () => {
    const sampled = async (seed?: number) => (await ask({ messages: [{ role: "user", content: "Hello" }], temperature: 2, max_tokens: 24, seed })).json.choices[0].message.content as string;
    expect(await sampled(7)).toBe(await sampled(7));
    expect(await sampled(-7)).toBe(await sampled(-7));
    // As large as other clients choose them.
    expect(await sampled(2 ** 63)).toBe(await sampled(2 ** 63));
    const others = await Promise.all(Array.from({ length: 4 }, () => sampled()));
    expect(new Set(others).size).toBeGreaterThan(1);
  });

  it("is held to a JSON schema", async () => {
    const schema = { type: "object", properties: { things: { type: "array", items: { enum: ["cat", "hamburger"] }, minItems: 1, maxItems: 2 } }, required: ["things"], additionalProperties: false };
    const { json } = await ask({ messages: [aboutScene()], response_format: { type: "json_schema", json_schema: { name: "things", strict: true, schema } } });
    const { things } = JSON.parse(json.choices[0].message.content);
    expect(things.length).toBeGreaterThanOrEqual(1);
    for (const thing of things) expect(["cat", "hamburger"]).toContain(thing);
  });

  it("is some JSON object where that is asked for", async () => {
    const { json } = await ask({ messages: [aboutScene()], response_format: { type: "json_object" }, max_tokens: 400, stop: "\n" });
    expect(json.choices[0].message.content).toMatch(/^\{/);
  });

  it("has the log-probabilities of its tokens and of those beside them", async () => {
    const { json } = await ask({ messages: [aboutScene()], logprobs: true, top_logprobs: 3, max_tokens: 4 });
    const { content } = json.choices[0].logprobs;
    expect(content).toHaveLength(4);
    expect(content.map(({ token }: { token: string }) => token).join("")).toBe("I see an airplane");
    for (const token of content) {
      expect(token.top_logprobs).toHaveLength(3);
      expect(token.top_logprobs[0]).toMatchObject({ token: token.token, logprob: token.logprob });
      expect(Buffer.from(token.bytes).toString()).toBe(token.token);
    }
  });

  it("never says a token that logit_bias bans", async () => {
    const { json } = await ask({ messages: [aboutScene()], logprobs: true, max_tokens: 1, top_logprobs: 1 });
    expect(json.choices[0].message.content).toBe("I");
    const ids: Record<string, number> = {};
    for (let id = 0; id < 1424; id++) ids[id] = -100;
    // All but one: mini can only repeat that one.
    delete ids[50];
    const banned = await ask({ messages: [aboutScene()], logit_bias: ids, max_tokens: 3 });
    expect(new Set(banned.json.choices[0].message.content).size).toBe(1);
  });

  it("passes over fields that it does not know, and over null", async () => {
    const { status } = await ask({ messages: [{ ...aboutScene(), name: "x", cache_control: {} }], max_tokens: 1, user: "me", store: true, reasoning_effort: "low", stop: null, seed: null, tools: [], response_format: null, n: null, parallel_tool_calls: true, whatever: { a: 1 } });
    expect(status).toBe(200);
  });
});

describe("an answer as a stream", () => {
  it("begins with the role, ends with the reason, then [DONE]", async () => {
    const all = await chunks({ messages: [aboutScene()] });
    expect(all.at(-1)).toBe("[DONE]");
    const parsed = all.slice(0, -1).map((data) => JSON.parse(data));
    expect(parsed[0].choices[0]).toMatchObject({ delta: { role: "assistant", content: "" }, finish_reason: null });
    expect(parsed.slice(1).every(({ choices }) => choices[0].delta.role === undefined)).toBe(true);
    expect(parsed.map(({ choices }) => choices[0].delta.content ?? "").join("")).toBe(answer);
    expect(parsed.filter(({ choices }) => choices[0].finish_reason !== null)).toHaveLength(1);
    expect(parsed.at(-1)).toMatchObject({ choices: [{ delta: {}, finish_reason: "stop" }], timings: { predicted_n: expect.any(Number) } });
    expect(new Set(parsed.map(({ id }) => id)).size).toBe(1);
    for (const chunk of parsed) expect(chunk).not.toHaveProperty("usage");
  });

  it("has the usage in a chunk of its own where that is asked for", async () => {
    const all = (await chunks({ messages: [aboutScene()], stream_options: { include_usage: true } })).slice(0, -1).map((data) => JSON.parse(data));
    expect(all.at(-1)).toMatchObject({ choices: [], usage: { prompt_tokens_details: { image_tokens: 64 } }, timings: { predicted_per_second: expect.any(Number) } });
    expect(all.at(-2).choices[0].finish_reason).toBe("stop");
    for (const chunk of all.slice(0, -1)) expect(chunk.usage).toBeNull();
  });

  it("has each token's log-probabilities once", async () => {
    const all = (await chunks({ messages: [aboutScene()], logprobs: true })).slice(0, -1).map((data) => JSON.parse(data));
    const tokens = all.flatMap(({ choices }) => choices[0].logprobs?.content ?? []).map(({ token }: { token: string }) => token);
    expect(tokens.join("")).toBe(answer);
  });

  it("has a status of its own where it fails before the first word", async () => {
    const { status, json } = await ask({ messages: [aboutScene("what? ".repeat(8000))], stream: true });
    expect(status).toBe(400);
    expect(json.error).toMatchObject({ type: "invalid_request_error", param: "messages", code: "context_length_exceeded" });
  });
});

describe("a request that cannot be answered", () => {
  const user = [{ role: "user", content: "Hello" }];
  it.each([
    ["no messages", { messages: [] }, 400, "messages"],
    ["no body of an object", [1], 400, null],
    ["a role that there is not", { messages: [{ role: "tool", content: "x" }] }, 400, "messages[0].role"],
    ["a part that is not known", { messages: [{ role: "user", content: [{ type: "input_audio", input_audio: {} }] }] }, 400, "messages[0].content[0].type"],
    ["an answer that was given already", { messages: [...user, { role: "assistant", content: "Hi" }] }, 400, "messages"],
    ["a picture by the system", { messages: [{ ...aboutScene(), role: "system" }, ...user] }, 400, "messages"],
    ["a picture that is none", { messages: [aboutScene("x", "data:image/png;base64,AAAA")] }, 400, "messages[0].content[0].image_url"],
    ["a model that there is not", { model: "gpt-9", messages: user }, 404, "model"],
    ["a SigLIP model", { model: "mini-siglip", messages: user }, 404, "model"],
    ["two answers", { messages: user, n: 2 }, 400, "n"],
    ["tools", { messages: user, tools: [{ type: "function", function: { name: "f" } }] }, 400, "tools"],
    ["functions", { messages: user, functions: [{ name: "f" }] }, 400, "functions"],
    ["a temperature out of range", { messages: user, temperature: 3 }, 400, "temperature"],
    ["a temperature that is no number", { messages: user, temperature: "hot" }, 400, "temperature"],
    ["no tokens", { messages: user, max_tokens: 0 }, 400, "max_tokens"],
    ["a bias of a token that is none", { messages: user, logit_bias: { cat: 1 } }, 400, "logit_bias.cat"],
    ["top_logprobs alone", { messages: user, top_logprobs: 2 }, 400, "top_logprobs"],
    ["a schema that cannot be held to", { messages: user, response_format: { type: "json_schema", json_schema: { name: "x", schema: { type: "object", patternProperties: {} } } } }, 400, "response_format"],
    ["a format that there is not", { messages: user, response_format: { type: "yaml" } }, 400, "response_format.type"],
  ])("with %s is told what is wrong", async (_, body, status, param) => {
    const answered = await post(server, "/v1/chat/completions", body);
    expect(answered.status).toBe(status);
    expect(answered.json.error).toMatchObject({ message: expect.any(String), type: status === 404 ? "not_found_error" : "invalid_request_error", param, code: expect.any(String) });
    expect(answered.json.error.message.length).toBeLessThan(500);
  });

  it.each([
    ["temperature", -0.1], ["temperature", 2.01], ["temperature", 1e308], ["top_p", -1], ["top_p", 1.5], ["top_k", -1], ["top_k", 0.5], ["top_k", 1e9], ["min_p", 2], ["repeat_penalty", 0], ["frequency_penalty", -2.1], ["presence_penalty", 99],
    ["max_tokens", -1], ["max_tokens", 1.5], ["max_tokens", 2 ** 60], ["seed", 0.5], ["seed", 1e300], ["n", 0], ["top_logprobs", -1], ["top_logprobs", 21], ["logit_bias", { 1: 101 }], ["logit_bias", { "-1": 0 }], ["logit_bias", { "1e3": 0 }], ["stop", [""]], ["stop", Array.from({ length: 17 }, () => "x")], ["stop", "x".repeat(257)],
  ])("with %s out of its bounds is refused: %j", async (name, value) => {
    const { status, json } = await ask({ messages: user, logprobs: true, [name]: value });
    expect([status, json.error.param?.split(/[.[]/)[0]]).toEqual([400, name]);
  });

  it("has no say about templates, grammars or files of models", async () => {
    const plain = await ask({ messages: user, max_tokens: 4 });
    const more = await ask({ messages: user, max_tokens: 4, chat_template: "{{ 7 * 7 }}", chat_template_kwargs: { x: 1 }, template: "{{ raise_exception('x') }}", grammar: 'root ::= "x"', lora: ["/etc/passwd"], mmproj: "/etc/passwd" });
    expect([more.status, more.json.usage.prompt_tokens, more.json.choices[0].message.content]).toEqual([200, plain.json.usage.prompt_tokens, plain.json.choices[0].message.content]);
    for (const model of ["../mini", "/etc/passwd", "models/mini", "https://hub.example/x", "mini\0"]) expect((await ask({ model, messages: user })).status).toBe(404);
  });

  it("never sees its own values in the error", async () => {
    const secret = "my-very-secret-prompt";
    for (const body of [{ messages: secret }, { messages: [{ role: secret, content: secret }] }, { messages: [{ role: "user", content: [{ type: secret, text: secret }] }] }, { messages: [{ role: "user", content: "x" }], stop: [1, secret] }]) {
      const { status, json } = await ask(body);
      expect(status).toBe(400);
      expect(JSON.stringify(json)).not.toContain(secret);
    }
  });
});
