import sharp from "sharp";
import { describe, expect, it } from "vitest";
import { loadVisionChat, type ChatMessage, type VisionChat } from "../src/index.js";

const picture = async (background: string): Promise<Uint8Array> =>
  new Uint8Array(await sharp({ create: { width: 48, height: 48, channels: 3, background } }).png().toBuffer());
const ask = (question: string, image: Uint8Array): ChatMessage[] => [{ role: "user", content: [{ type: "image", image }, { type: "text", text: question }] }];
const load = (conversations: number): Promise<VisionChat> => loadVisionChat("mini", { threads: 1, conversations, contextLength: 1024 });
const short = { maxTokens: 12 };

describe("conversations at the same time", () => {
  it("get the answers that they get alone, and each picture is encoded once", async () => {
    const questions = await Promise.all(["red", "blue", "green", "white"].map(async (color) => ask("What is this?", await picture(color))));
    const alone: string[] = [];
    for (const messages of questions) {
      await using chat = await load(1);
      alone.push((await chat.stream({ messages, ...short }).result).text);
    }
    await using chat = await load(4);
    const together = await Promise.all([...questions, ...questions].map((messages) => chat.stream({ messages, ...short }).result));
    expect(together.map(({ text }) => text)).toEqual([...alone, ...alone]);
    expect(chat.encodes).toBe(4);
  });

  it("take a picture's rows from each other's cache", async () => {
    await using chat = await load(2);
    const image = await picture("red");
    const first = chat.stream({ messages: ask("What is this?", image), maxTokens: 400, ignoreEnd: true });
    await first[Symbol.asyncIterator]().next();
    const second = await chat.stream({ messages: ask("Where is it?", image), ...short }).result;
    expect(second.usage.reusedTokens).toBeGreaterThanOrEqual(second.usage.imageTokens);
    expect(chat.encodes).toBe(1);
    await first.result;
  });

  it("end alone: one that is cancelled leaves the others as they are, and its place to who waits", async () => {
    await using chat = await load(2);
    const image = await picture("blue");
    const whole = (await chat.stream({ messages: ask("What is this?", image), ...short }).result).text;
    const abort = new AbortController();
    const endless = [1, 2].map(() => chat.stream({ messages: ask("Go on", image), ignoreEnd: true, signal: abort.signal }).result);
    const waiting = chat.stream({ messages: ask("What is this?", image), ...short }).result;
    setTimeout(() => abort.abort(), 5);
    expect((await Promise.all(endless)).map(({ finishReason }) => finishReason)).toEqual(["aborted", "aborted"]);
    expect((await waiting).text).toBe(whole);
    const early = AbortSignal.abort();
    await expect(chat.stream({ messages: ask("What is this?", await picture("black")), signal: early }).result).rejects.toThrow();
    expect(chat.encodes).toBe(1);
  });
});
