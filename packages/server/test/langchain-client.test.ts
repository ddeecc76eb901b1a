import { HumanMessage, SystemMessage } from "@langchain/core/messages";
import { ChatOpenAI, OpenAIEmbeddings } from "@langchain/openai";
import type { RunningServer } from "@sightline/server";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { answer, miniServer, question, sceneUrl } from "./mini-server.js";

let server: RunningServer;
beforeAll(async () => {
  server = await miniServer();
});
afterAll(() => server.close());

const chat = (fields: object = {}): ChatOpenAI => new ChatOpenAI({ model: "mini", apiKey: "none", maxRetries: 0, configuration: { baseURL: `${server.url}/v1` }, ...fields });
const messages = [new HumanMessage({ content: [{ type: "image_url", image_url: { url: sceneUrl } }, { type: "text", text: question }] })];

describe("@langchain/openai", () => {
  it("asks about a picture", async () => {
    const reply = await chat().invoke(messages);
    expect(reply.content).toBe(answer);
    expect(reply.usage_metadata).toMatchObject({ input_tokens: expect.toSatisfy((tokens: number) => tokens > 64) });
  });

  it("streams, with the usage at the end", async () => {
    let text = "";
    let usage: unknown;
    for await (const chunk of await chat({ temperature: 0 }).stream([new SystemMessage("You look at pictures."), ...messages])) {
      text += chunk.content as string;
      usage = chunk.usage_metadata ?? usage;
    }
    expect(text).toMatch(/hamburger/);
    expect(usage).toMatchObject({ output_tokens: expect.toSatisfy((tokens: number) => tokens > 0) });
  });

  it("asks by the Responses API", async () => {
    const reply = await chat({ useResponsesApi: true }).invoke(messages);
    expect(reply.text).toBe(answer);
  });

  it("gets structured output by a JSON schema", async () => {
    const schema = { title: "seen", type: "object", properties: { food: { type: "string", enum: ["hamburger", "taco"] } }, required: ["food"], additionalProperties: false };
    const seen = await chat().withStructuredOutput(schema, { method: "jsonSchema" }).invoke(messages);
    expect(["hamburger", "taco"]).toContain(seen["food"]);
  });

  it("gets errors with the server's message", async () => {
    await expect(chat({ model: "gpt-9" }).invoke(messages)).rejects.toThrow(/there is no chat model of this name/);
    await expect(chat().bindTools([{ type: "function", function: { name: "f", parameters: {} } }]).invoke(messages)).rejects.toThrow(/tools are not supported/);
  });

  it("stops in the middle, and the next answer comes", async () => {
    const controller = new AbortController();
    const stream = await chat({ maxTokens: 3000, modelKwargs: { ignore_eos: true } }).stream(messages, { signal: controller.signal });
    let pieces = 0;
    const read = async (): Promise<void> => {
      for await (const _ of stream) if (++pieces === 5) controller.abort();
    };
    await expect(read()).rejects.toThrow();
    expect(pieces).toBeGreaterThanOrEqual(5);
    expect((await chat().invoke(messages)).content).toBe(answer);
  });

  it("embeds", async () => {
    const [vector] = await new OpenAIEmbeddings({ model: "mini-siglip", apiKey: "none", configuration: { baseURL: `${server.url}/v1` } }).embedDocuments(["a cat"]);
    expect(Math.hypot(...(vector as number[]))).toBeCloseTo(1, 5);
  });
});
