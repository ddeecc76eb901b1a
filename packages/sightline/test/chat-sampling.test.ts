import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { loadVisionChat, type ChatMessage, type ChatPart, type VisionChat } from "../src/index.js";

let chat: VisionChat;
let messages: ChatMessage[];

beforeAll(async () => {
  chat = await loadVisionChat("mini", { threads: 1, gpuLayers: "auto" });
  const image = new Uint8Array(await sharp({ create: { width: 48, height: 48, channels: 3, background: "red" } }).png().toBuffer());
  messages = [{ role: "user", content: [{ type: "image", image }, { type: "text", text: "What do you see?" }] }];
});
afterAll(() => chat[Symbol.asyncDispose]());

describe("mini", () => {
  it("answers in JSON of a schema, whatever the seed", async () => {
    const jsonSchema = {
      type: "object",
      properties: { colour: { enum: ["red", "green", "blue"] }, count: { type: "integer", minimum: 0, maximum: 20 }, note: { type: "string", maxLength: 12 } },
      required: ["colour", "count"],
    };
    const seen = new Set<string>();
    for (let seed = 0; seed < 25; seed++) {
      const { text, finishReason } = await chat.stream({ messages, jsonSchema, sampling: { temperature: 1.5, seed } }).result;
      expect(finishReason).toBe("stop");
      const { colour, count, note = "", ...rest }: { colour?: string; count?: number; note?: string } = JSON.parse(text);
      expect(["red", "green", "blue"]).toContain(colour);
      expect(Number.isInteger(count) && Number(count) >= 0 && Number(count) <= 20).toBe(true);
      expect([...note].length).toBeLessThanOrEqual(12);
      expect(rest).toEqual({});
      seen.add(text);
    }
    expect(seen.size).toBeGreaterThan(5);
  });

  it("answers yes or no by a grammar", async () => {
    const { text } = await chat.stream({ messages, grammar: 'root ::= "yes" | "no"' }).result;
    expect(text).toMatch(/^(yes|no)$/);
  });

  it("hands log-probabilities on, in parts and in the result", async () => {
    const reply = chat.stream({ messages, maxTokens: 6, logprobs: 3 });
    const parts: ChatPart[] = [];
    for await (const part of reply) parts.push(part);
    const { logprobs = [], usage } = await reply.result;
    expect(logprobs).toHaveLength(usage.completionTokens);
    expect(parts.flatMap((part) => part.logprobs ?? [])).toEqual(logprobs);
    // Greedy: the chosen token is the likeliest.
    for (const { id, logprob, top } of logprobs) expect(top[0]).toMatchObject({ id, logprob });
  });

  it("refuses sampling options that are none", async () => {
    await expect(chat.stream({ messages, sampling: { topP: 2 } }).result).rejects.toMatchObject({ code: "bad-option", message: expect.stringContaining("sampling.topP") });
  });

  it("says the same with another KV cache where its logits allow it, and refuses an adapter that is none", async () => {
    await using exact = await loadVisionChat("mini", { threads: 1, decoder: { cacheTypeK: "f32", cacheTypeV: "f32" } });
    const first = await exact.stream({ messages, maxTokens: 8 }).result;
    expect(first.text).toBe((await chat.stream({ messages, maxTokens: 8 }).result).text);
    await expect(loadVisionChat("mini", { decoder: { loraAdapters: [{ path: "nowhere.gguf" }] } })).rejects.toMatchObject({ code: "bad-adapter-file" });
  });
});
