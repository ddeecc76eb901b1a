import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { loadVisionChat, SightlineError, type ChatMessage, type ChatPart, type VisionChat } from "../src/index.js";

let chat: VisionChat;
let red: Uint8Array;
let blue: Uint8Array;

async function picture(background: string, size = 48): Promise<Uint8Array> {
  return new Uint8Array(await sharp({ create: { width: size, height: size, channels: 3, background } }).png().toBuffer());
}

function ask(question: string, ...images: Uint8Array[]): ChatMessage {
  return { role: "user", content: [...images.map((image) => ({ type: "image" as const, image })), { type: "text", text: question }] };
}

/** An answer of any weights: at most so many tokens, always the likeliest. */
const short = { maxTokens: 8, sampling: { temperature: 0 } };
/** One that ends when somebody ends it. */
const long = { maxTokens: 900, sampling: { temperature: 5, seed: 7 } };

beforeAll(async () => {
  [chat, red, blue] = await Promise.all([loadVisionChat("mini", { threads: 1 }), picture("red"), picture("blue")]);
});
afterAll(() => chat[Symbol.asyncDispose]());

describe("a reply", () => {
  it("gives the same text through its parts and its result", async () => {
    const reply = chat.stream({ messages: [ask("What is this?", red)], ...short });
    const parts: ChatPart[] = [];
    for await (const part of reply) parts.push(part);
    const result = await reply.result;
    expect(parts.every(({ type }) => type === "text-delta")).toBe(true);
    expect(parts.map(({ text }) => text).join("")).toBe(result.text);
    expect(result.model).toBe("mini");
    expect(["stop", "length"]).toContain(result.finishReason);
    expect(result.usage.completionTokens).toBeLessThanOrEqual(8);
    expect(result.usage.imageTokens).toBeGreaterThan(0);
    expect(result.usage.promptTokens).toBeGreaterThan(result.usage.imageTokens);
    for (const [name, value] of Object.entries(result.timings)) expect(value, name).toBeGreaterThanOrEqual(0);
  });

  it("is the same again, and the same whether its image comes as bytes or was seen before", async () => {
    const once = await chat.stream({ messages: [ask("What is this?", red)], ...short }).result;
    const again = await chat.stream({ messages: [ask("What is this?", red)], ...short }).result;
    expect(again.text).toBe(once.text);
  });

  it("to a long conversation is that of a fresh one: reuse changes nothing", async () => {
    const opening = ask("What is this?", blue);
    const { text } = await chat.stream({ messages: [opening], ...short }).result;
    const messages: ChatMessage[] = [opening, { role: "assistant", content: text }, ask("And what colour?")];
    const reused = await chat.stream({ messages, ...short }).result;
    expect(reused.usage.reusedTokens).toBeGreaterThan(0);
    await using fresh = await loadVisionChat("mini", { threads: 1 });
    const alone = await fresh.stream({ messages, ...short }).result;
    expect(alone.usage.reusedTokens).toBe(0);
    expect(alone.usage.promptTokens).toBe(reused.usage.promptTokens);
    expect(alone.text).toBe(reused.text);
  });

  it("needs no image", async () => {
    const { usage } = await chat.stream({ messages: [ask("Hello")], ...short }).result;
    expect(usage.imageTokens).toBe(0);
  });

  it("counts each image of a prompt", async () => {
    const one = await chat.stream({ messages: [ask("Which?", red)], ...short }).result;
    const two = await chat.stream({ messages: [ask("Which?", red, blue)], ...short }).result;
    const same = await chat.stream({ messages: [ask("Which?", red, red)], ...short }).result;
    expect([two.usage.imageTokens, same.usage.imageTokens]).toEqual([2 * one.usage.imageTokens, 2 * one.usage.imageTokens]);
  });

  it("may be asked for while another is under way; both come, one after the other", async () => {
    const [a, b] = await Promise.all(["Is it red?", "Is it blue?"].map((question) => chat.stream({ messages: [ask(question, red)], ...short }).result));
    const [aAlone, bAlone] = [await chat.stream({ messages: [ask("Is it red?", red)], ...short }).result, await chat.stream({ messages: [ask("Is it blue?", red)], ...short }).result];
    expect([a!.text, b!.text]).toEqual([aAlone.text, bAlone.text]);
  });
});

describe("a question", () => {
  it("that spells special tokens is read letter by letter, and none of it is an image", async () => {
    const usageOf = async (question: string): Promise<{ promptTokens: number; imageTokens: number }> => (await chat.stream({ messages: [ask(question)], ...short }).result).usage;
    const { promptTokens: empty } = await usageOf("");
    for (const text of ["<|im_end|>", "<|im_start|>", "<__media__>", "<image>"]) {
      const { promptTokens, imageTokens } = await usageOf(text);
      expect(promptTokens - empty, text).toBeGreaterThan(1);
      expect(imageTokens, text).toBe(0);
    }
  });

  it("that does not fit into the context is refused with both numbers, and the chat goes on", async () => {
    await expect(chat.stream({ messages: [ask("many words ".repeat(3000))], ...short }).result).rejects.toThrow(/the prompt takes \d+ tokens, and the context holds 1024 with the answer; the model was trained with 1024; leave messages out or ask with overflow: "drop-oldest"$/);
    expect((await chat.stream({ messages: [ask("Hello")], ...short }).result).usage.promptTokens).toBeGreaterThan(0);
  });
});

describe("images of a conversation", () => {
  it("are encoded once, and the prompt before a second question is reused, image and all", async () => {
    await using fresh = await loadVisionChat("mini", { threads: 1 });
    const opening = ask("What is this?", red);
    const first = await fresh.stream({ messages: [opening], ...short }).result;
    expect(fresh.encodes).toBe(1);
    expect(first.usage.reusedTokens).toBe(0);
    const second = await fresh.stream({ messages: [opening, { role: "assistant", content: first.text }, ask("What colour?")], ...short }).result;
    expect(fresh.encodes).toBe(1);
    expect(second.usage.reusedTokens).toBeGreaterThan(first.usage.imageTokens);
    expect(second.timings.encodeMs).toBe(0);
    // The same pixels in other bytes are the same picture.
    const webp = new Uint8Array(await sharp(red).webp({ lossless: true }).toBuffer());
    await fresh.stream({ messages: [ask("What is this?", webp)], ...short }).result;
    expect(fresh.encodes).toBe(1);
    await fresh.stream({ messages: [ask("What is this?", blue)], ...short }).result;
    expect(fresh.encodes).toBe(2);
  });

  it("that replace another are not taken for it", async () => {
    const first = await chat.stream({ messages: [ask("What is this?", red)], ...short }).result;
    const other = await chat.stream({ messages: [ask("What is this?", blue)], ...short }).result;
    expect(other.usage.reusedTokens).toBeLessThan(first.usage.promptTokens - first.usage.imageTokens);
  });
});

describe("ending a reply", () => {
  it("by an aborted signal gives finishReason aborted or rejects with its reason, and the chat goes on", async () => {
    const reason = new Error("enough");
    const outcome = await chat.stream({ messages: [ask("What is this?", red)], ...long, signal: AbortSignal.abort(reason) }).result.then(
      ({ finishReason }) => finishReason,
      (error: unknown) => error,
    );
    expect(outcome === reason || outcome === "aborted", String(outcome)).toBe(true);
    expect((await chat.stream({ messages: [ask("What is this?", red)], ...short }).result).finishReason).not.toBe("aborted");
  });

  it("by a signal during generation ends it there", async () => {
    const controller = new AbortController();
    const reply = chat.stream({ messages: [ask("What is this?", red)], ...long, signal: controller.signal });
    let parts = 0;
    for await (const _ of reply) if (++parts === 2) controller.abort();
    const { finishReason, usage } = await reply.result;
    expect(finishReason === "aborted" || finishReason === "stop").toBe(true);
    expect(usage.completionTokens).toBeLessThan(900);
  });

  it("by leaving the loop ends it, and the next reply is whole", async () => {
    const reply = chat.stream({ messages: [ask("What is this?", red)], ...long });
    for await (const _ of reply) break;
    expect((await reply.result).usage.completionTokens).toBeLessThan(900);
    const next = await chat.stream({ messages: [ask("What is this?", red)], ...short }).result;
    expect(["stop", "length"]).toContain(next.finishReason);
  });
});

describe("a failing reply", () => {
  const broken: ChatMessage = { role: "user", content: [{ type: "image", image: Uint8Array.of(1, 2, 3) }, { type: "text", text: "What is this?" }] };

  it("rejects result and loop with one error, leaves no unhandled rejection, and the chat goes on", async () => {
    const unhandled: unknown[] = [];
    const listener = (reason: unknown): void => void unhandled.push(reason);
    process.on("unhandledRejection", listener);
    try {
      // Only the loop is read, only the result, and neither.
      const reply = chat.stream({ messages: [broken] });
      const failure = await (async () => {
        for await (const _ of reply) void _;
      })().then(() => undefined, (error: unknown) => error);
      expect(failure).toMatchObject({ name: "ImageError" });
      await expect(chat.stream({ messages: [broken] }).result).rejects.toMatchObject({ name: "ImageError" });
      chat.stream({ messages: [broken] });
      await chat.stream({ messages: [ask("Hello")], ...short }).result;
      await new Promise((resolve) => setImmediate(resolve));
      expect(unhandled).toEqual([]);
    } finally {
      process.off("unhandledRejection", listener);
    }
  });

  it.each<[string, readonly ChatMessage[], string]>([
    ["no messages", [], "expected at least one message, got none"],
    ["an unknown role", [{ role: "robot", content: "Hi" } as unknown as ChatMessage], 'message 0: expected the role system, user or assistant, got "robot"'],
    ["an image of the system's", [{ role: "system", content: [{ type: "image", image: "x.png" }] }, ask("Hi")], "message 0: images belong in user messages"],
    ["an unknown part", [{ role: "user", content: [{ type: "video" }] } as unknown as ChatMessage], 'message 0: unknown part type "video"'],
    ["a text that is none", [{ role: "user", content: [{ type: "text" }] } as unknown as ChatMessage], "message 0: expected text, got undefined"],
    ["an answer at the end", [ask("Hi"), { role: "assistant", content: "Hello" }], "message 1: the last message is the assistant's"],
  ])("is refused at once for %s", (_, messages, message) => {
    expect(() => chat.stream({ messages })).toThrow(expect.objectContaining({ name: "SightlineError", code: "invalid-message", message: expect.stringContaining(message) }));
  });
});

describe("disposing a chat", () => {
  it("waits for the reply under way, and then refuses", async () => {
    const own = await loadVisionChat("mini", { threads: 1 });
    const reply = own.stream({ messages: [ask("What is this?", red)], ...short });
    await own[Symbol.asyncDispose]();
    expect((await reply.result).usage.promptTokens).toBeGreaterThan(0);
    expect(() => own.stream({ messages: [ask("Hi")] })).toThrow(new SightlineError("disposed", "VisionChat.stream: the chat is disposed"));
    await own[Symbol.asyncDispose]();
  });
});

describe("loading a chat", () => {
  it("reports both parts", async () => {
    const parts = new Map<string, number>();
    await using own = await loadVisionChat("mini", { threads: 1, onProgress: ({ part, fraction }) => parts.set(part, fraction) });
    expect(own.loadMs).toBeGreaterThan(0);
    expect([...parts.entries()].sort()).toEqual([["decoder", 1], ["tower", 1]]);
  });

  it("stops at the signal", async () => {
    await expect(loadVisionChat("mini", { signal: AbortSignal.abort(new Error("enough")) })).rejects.toThrow("enough");
  });
});
