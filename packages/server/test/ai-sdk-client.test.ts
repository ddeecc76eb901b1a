import { createOpenAICompatible, type OpenAICompatibleProvider } from "@ai-sdk/openai-compatible";
import type { RunningServer } from "@sightline/server";
import { APICallError, embed, generateObject, generateText, streamText, type ModelMessage } from "ai";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { answer, miniServer, question, scene } from "./mini-server.js";

let server: RunningServer;
let provider: OpenAICompatibleProvider;
beforeAll(async () => {
  server = await miniServer();
  provider = createOpenAICompatible({ name: "sightline", baseURL: `${server.url}/v1`, includeUsage: true, supportsStructuredOutputs: true });
});
afterAll(() => server.close());

const messages: ModelMessage[] = [{ role: "user", content: [{ type: "file", mediaType: "image/png", data: scene }, { type: "text", text: question }] }];

describe("the AI SDK with @ai-sdk/openai-compatible", () => {
  it("generates text about a picture", async () => {
    const { text, usage, finishReason } = await generateText({ model: provider("mini"), messages });
    expect(text).toBe(answer);
    expect(finishReason).toBe("stop");
    expect(usage.inputTokens).toBeGreaterThan(64);
  });

  it("streams text, and has its usage at the end", async () => {
    const result = streamText({ model: provider("mini"), messages });
    let text = "";
    for await (const part of result.textStream) text += part;
    expect(text).toBe(answer);
    expect((await result.usage).outputTokens).toBeGreaterThan(0);
  });

  it("generates an object", async () => {
    const { object } = await generateObject({ model: provider("mini"), messages, schema: z.object({ food: z.enum(["hamburger", "taco"]), count: z.int().min(0).max(9) }) });
    expect(["hamburger", "taco"]).toContain(object.food);
    expect(object.count).toBeLessThanOrEqual(9);
  });

  it("gets an error with the server's message, and does not try again what cannot help", async () => {
    const failed = generateText({ model: provider("gpt-9"), messages });
    await expect(failed).rejects.toSatisfy((error) => APICallError.isInstance(error) && error.statusCode === 404 && !error.isRetryable && error.message.includes("there is no chat model of this name"));
  });

  it("stops in the middle, and the next answer comes", async () => {
    const controller = new AbortController();
    const result = streamText({ model: provider("mini"), messages, maxOutputTokens: 3000, providerOptions: { sightline: { ignore_eos: true } }, abortSignal: controller.signal, onError: () => {} });
    let text = "";
    for await (const part of result.textStream) {
      text += part;
      if (text.length > 40) controller.abort();
    }
    expect(text.length).toBeGreaterThan(40);
    expect((await generateText({ model: provider("mini"), messages })).text).toBe(answer);
  });

  it("embeds", async () => {
    const { embedding } = await embed({ model: provider.embeddingModel("mini-siglip"), value: "a cat" });
    expect(Math.hypot(...embedding)).toBeCloseTo(1, 5);
  });
});
