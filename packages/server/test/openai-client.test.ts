import { readFile } from "node:fs/promises";
import type { RunningServer } from "@sightline/server";
import OpenAI, { APIError, APIUserAbortError } from "openai";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { answer, examples, miniServer, question, scene, sceneUrl } from "./mini-server.js";

let server: RunningServer;
let client: OpenAI;
beforeAll(async () => {
  server = await miniServer();
  client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "none", maxRetries: 0 });
});
afterAll(() => server.close());

const about = (text: string): OpenAI.ChatCompletionMessageParam => ({ role: "user", content: [{ type: "image_url", image_url: { url: sceneUrl, detail: "auto" } }, { type: "text", text }] });

describe("the openai package, chat completions", () => {
  it("asks about a picture", async () => {
    const completion = await client.chat.completions.create({ model: "mini", messages: [about(question)] });
    expect(completion.choices[0]?.message.content).toBe(answer);
    expect(completion.usage?.total_tokens).toBeGreaterThan(64);
  });

  it("streams an answer", async () => {
    const stream = await client.chat.completions.create({ model: "mini", messages: [about(question)], stream: true, stream_options: { include_usage: true } });
    let text = "";
    let usage;
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? "";
      usage = chunk.usage ?? usage;
    }
    expect(text).toBe(answer);
    expect(usage?.completion_tokens).toBeGreaterThan(0);
  });

  it("collects a stream with its own helper", async () => {
    const runner = client.chat.completions.stream({ model: "mini", messages: [about(question)] });
    expect(await runner.finalContent()).toBe(answer);
  });

  it("parses an answer that a schema holds", async () => {
    const completion = await client.chat.completions.parse({
      model: "mini", messages: [about(question)],
      response_format: { type: "json_schema", json_schema: { name: "seen", strict: true, schema: { type: "object", properties: { animal: { type: "boolean" } }, required: ["animal"], additionalProperties: false } } },
    });
    expect(completion.choices[0]?.message.parsed).toEqual({ animal: expect.any(Boolean) });
  });

  it("gets errors as its own kinds", async () => {
    const failed = async (request: Promise<unknown>): Promise<APIError> => (await request.then(() => undefined, (error: unknown) => error)) as APIError;
    const missing = await failed(client.chat.completions.create({ model: "gpt-9", messages: [about(question)] }));
    expect(missing).toBeInstanceOf(OpenAI.NotFoundError);
    expect(missing).toMatchObject({ status: 404, code: "model_not_found", param: "model", type: "not_found_error" });
    expect(missing.requestID).toMatch(/^[\w-]{36}$/);
    const bad = await failed(client.chat.completions.create({ model: "mini", messages: [{ role: "user", content: [{ type: "image_url", image_url: { url: "data:image/png;base64,AAAA" } }] }] }));
    expect(bad).toBeInstanceOf(OpenAI.BadRequestError);
    const streamed = await failed(client.chat.completions.create({ model: "mini", messages: [], stream: true }));
    expect(streamed).toBeInstanceOf(OpenAI.BadRequestError);
  });

  it("leaves an answer in the middle, and the next one comes", async () => {
    const stream = await client.chat.completions.create({ model: "mini", messages: [about(question)], stream: true, max_tokens: 2000, ...{ ignore_eos: true } });
    let chunks = 0;
    for await (const _ of stream) if (++chunks === 5) break;
    expect(chunks).toBe(5);
    const controller = new AbortController();
    const request = client.chat.completions.create({ model: "mini", messages: [about(question)], max_tokens: 3000, ...{ ignore_eos: true } }, { signal: controller.signal });
    setTimeout(() => controller.abort(), 50);
    await expect(request).rejects.toBeInstanceOf(APIUserAbortError);
    expect((await client.chat.completions.create({ model: "mini", messages: [about(question)] })).choices[0]?.message.content).toBe(answer);
  });
});

describe("the openai package, responses", () => {
  const input: OpenAI.Responses.ResponseInput = [{ role: "user", content: [{ type: "input_image", image_url: sceneUrl, detail: "auto" }, { type: "input_text", text: question }] }];

  it("asks about a picture", async () => {
    const response = await client.responses.create({ model: "mini", input, instructions: "Be brief." });
    expect(response.output_text).toMatch(/hamburger/);
    expect(response).toMatchObject({ status: "completed", instructions: "Be brief.", usage: { output_tokens: expect.any(Number) } });
  });

  it("asks in words, and is cut at max_output_tokens", async () => {
    const response = await client.responses.create({ model: "mini", input: "What do you see?", max_output_tokens: 2 });
    expect(response).toMatchObject({ status: "incomplete", incomplete_details: { reason: "max_output_tokens" } });
    expect(response.usage?.output_tokens).toBe(2);
  });

  it("streams the events that the API names, numbered", async () => {
    const stream = await client.responses.create({ model: "mini", input, stream: true });
    const all: OpenAI.Responses.ResponseStreamEvent[] = [];
    for await (const event of stream) all.push(event);
    expect(all.map(({ sequence_number }) => sequence_number)).toEqual(all.map((_, i) => i));
    const kinds = all.map(({ type }) => type).filter((type, i, types) => type !== types[i - 1]);
    expect(kinds).toEqual([
      "response.created", "response.in_progress", "response.output_item.added", "response.content_part.added", "response.output_text.delta",
      "response.output_text.done", "response.content_part.done", "response.output_item.done", "response.completed",
    ]);
    const text = all.map((event) => (event.type === "response.output_text.delta" ? event.delta : "")).join("");
    expect(text).toBe(answer);
    const last = all.at(-1);
    expect(last?.type === "response.completed" && last.response.output[0]).toMatchObject({ type: "message", content: [{ type: "output_text", text }] });
  });

  it("collects a stream with its own helper", async () => {
    expect((await client.responses.stream({ model: "mini", input }).finalResponse()).output_text).toBe(answer);
  });

  it("holds to a schema", async () => {
    const schema = { type: "object", properties: { food: { type: "boolean" } }, required: ["food"], additionalProperties: false };
    const response = await client.responses.create({ model: "mini", input, text: { format: { type: "json_schema", name: "food", schema, strict: true } } });
    expect(JSON.parse(response.output_text)).toEqual({ food: expect.any(Boolean) });
  });

  it.each([
    ["a response that nobody kept", { previous_response_id: "resp_1" }, "previous_response_id"],
    ["tools", { tools: [{ type: "web_search" as const }] }, "tools"],
    ["a schema that cannot be held to", { text: { format: { type: "json_schema" as const, name: "x", schema: { type: "object", if: {} } } } }, "text.format"],
    ["a file that nobody kept", { input: [{ role: "user" as const, content: [{ type: "input_image" as const, file_id: "file-1", detail: "auto" as const }] }] }, "input[0].content[0].image_url"],
    ["what a tool gave", { input: [{ type: "function_call_output" as const, call_id: "c", output: "x" }] }, "input[0].type"],
  ])("refuses %s", async (_, more, param) => {
    await expect(client.responses.create({ model: "mini", input, ...more })).rejects.toMatchObject({ status: 400, param });
  });
});

describe("the openai package, embeddings and models", () => {
  const cosine = (a: readonly number[], b: readonly number[]): number => a.reduce((sum, value, i) => sum + value * (b[i] as number), 0);

  it("embeds texts, by default in base64, as in numbers, of unit length", async () => {
    const input = ["a photo of a hamburger", "a photo of a cat"];
    const packed = await client.embeddings.create({ model: "mini-siglip", input });
    const plain = await client.embeddings.create({ model: "mini-siglip", input, encoding_format: "float" });
    expect(packed.data.map(({ embedding }) => embedding)).toEqual(plain.data.map(({ embedding }) => embedding));
    expect(packed.data.map(({ index }) => index)).toEqual([0, 1]);
    for (const { embedding } of plain.data) expect(cosine(embedding, embedding)).toBeCloseTo(1, 5);
  });

  it("puts a picture beside the words that are true of it", async () => {
    const crabs = (await readFile(`${examples}crabs.png`)).toString("base64");
    const content = (url: string) => ({ content: [{ type: "image_url", image_url: { url } }] });
    const input = [content(sceneUrl), "a photo of a hamburger", content(`data:image/png;base64,${crabs}`), "a photo of a crab"];
    const { data, usage } = await client.embeddings.create({ model: "mini-siglip", input: input as unknown as string[] });
    const [hamburger, words, crab, otherWords] = data.map(({ embedding }) => embedding) as [number[], number[], number[], number[]];
    expect(cosine(hamburger, words)).toBeGreaterThan(cosine(crab, words));
    expect(cosine(crab, otherWords)).toBeGreaterThan(cosine(hamburger, otherWords));
    // Twice 64 patches, and the words with their ends.
    expect(usage.prompt_tokens).toBeGreaterThan(128 + 4);
    expect(usage.prompt_tokens).toBeLessThan(128 + 40);
    const counted = await client.embeddings.create({ model: "mini-siglip", input: ["cat", "cat cat cat"] });
    expect(counted.usage.prompt_tokens).toBeGreaterThanOrEqual(6);
  });

  it("refuses another width, tokens, and two parts in one", async () => {
    await expect(client.embeddings.create({ model: "mini-siglip", input: "x", dimensions: 8 })).rejects.toMatchObject({ status: 400, param: "dimensions" });
    await expect(client.embeddings.create({ model: "mini-siglip", input: [1, 2, 3] })).rejects.toMatchObject({ status: 400, param: "input[0]" });
    const two = [{ content: [{ type: "text", text: "a" }, { type: "image_url", image_url: scene.toString("base64") }] }];
    await expect(client.embeddings.create({ model: "mini-siglip", input: two as unknown as string[] })).rejects.toMatchObject({ status: 400 });
  });

  it("lists models, and finds one", async () => {
    const ids: string[] = [];
    for await (const { id } of client.models.list()) ids.push(id);
    expect(ids).toEqual(["mini", "mini-siglip"]);
    expect(await client.models.retrieve("mini")).toMatchObject({ id: "mini", object: "model", kind: "chat", status: "loaded", input_modalities: ["text", "image"] });
    await expect(client.models.retrieve("other")).rejects.toMatchObject({ status: 404 });
  });
});
