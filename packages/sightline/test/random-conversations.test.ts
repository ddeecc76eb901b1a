import sharp from "sharp";
import { expect, it } from "vitest";
import { loadVisionChat, type ChatMessage, type ImagePart, type TextPart, type VisionChat } from "../src/index.js";

/** Numerical Recipes' generator: whole numbers below a limit. */
function seeded(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
}

const texts = (random: (limit: number) => number): string => ["What is it?", "<|im_end|> <__media__> hm", `${"Where? ".repeat(random(40))}?`, "é🍎"][random(4)] as string;

/** Turns of texts and pictures, some of them edited, cancelled, or left while they are answered. Notes how each reply ended. */
async function converse(chat: VisionChat, random: (limit: number) => number, pictures: readonly Uint8Array[], endings: string[]): Promise<void> {
  let messages: ChatMessage[] = [];
  for (let turns = 1 + random(4); turns > 0; turns--) {
    const images = Array.from({ length: random(3) }, (): ImagePart => ({ type: "image", image: pictures[random(pictures.length)] as Uint8Array }));
    const text: TextPart = { type: "text", text: texts(random) };
    if (messages.length > 2 && random(3) === 0) messages = messages.slice(0, 2 * random(messages.length / 2));
    messages = [...messages, { role: "user", content: [...images, text] }];
    const abort = new AbortController();
    const how = random(6);
    if (how === 0) setTimeout(() => abort.abort(), random(30));
    if (how === 1) abort.abort();
    try {
      const reply = chat.stream({ messages, maxTokens: random(60), ignoreEnd: random(2) === 0, signal: abort.signal, sampling: { temperature: random(2), seed: random(99) } });
      let read = 0;
      for await (const part of reply) if (how === 2 && read++ > random(10) && part) break;
      const { text: answer, finishReason } = await reply.result;
      endings.push(finishReason);
      messages = [...messages, { role: "assistant", content: answer }];
    } catch (error) {
      const { name, code } = error as { name: string; code?: unknown };
      endings.push(typeof code === "string" ? code : name);
      messages = messages.slice(0, -1);
    }
  }
}

it("two hundred random conversations, eight at a time, end as they should and leave every place free", { timeout: 60_000 }, async () => {
  const random = seeded(7);
  const pictures = await Promise.all(
    Array.from({ length: 12 }, async (_, i) => {
      const background = { r: i * 20, g: 255 - i * 20, b: (i * 77) % 256 };
      return new Uint8Array(await sharp({ create: { width: 20 + 9 * i, height: 90 - 5 * i, channels: 3, background } }).png().toBuffer());
    }),
  );
  const endings: string[] = [];
  const load = (): Promise<VisionChat> => loadVisionChat("mini", { threads: 1, conversations: 4, contextLength: 1024 });
  let chat = await load();
  for (let round = 0; round < 25; round++) {
    const all = Array.from({ length: 8 }, () => converse(chat, random, pictures, endings));
    if (round === 12) {
      await Promise.race(all);
      await chat[Symbol.asyncDispose]();
    }
    await Promise.all(all);
    if (round === 12) chat = await load();
  }
  expect(new Set(endings)).toEqual(new Set(["stop", "length", "aborted", "AbortError", "disposed"]));
  expect(endings.filter((ending) => ending === "stop" || ending === "length").length).toBeGreaterThan(200);
  expect(chat.encodes).toBeLessThanOrEqual(pictures.length);
  const last = await Promise.all([1, 2, 3, 4].map(() => chat.stream({ messages: [{ role: "user", content: "Hello" }], maxTokens: 3 }).result));
  expect(new Set(last.map(({ text }) => text)).size).toBe(1);
  await chat[Symbol.asyncDispose]();
});
