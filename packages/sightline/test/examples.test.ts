import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadVisionChat, type VisionChat } from "../src/index.js";

const folder = new URL("../../../examples/", import.meta.url);
const examples = JSON.parse(await readFile(new URL("examples.json", folder), "utf8")) as { file: string; objects: string[] }[];

/** The trained weights on the pictures of examples/, picked among those that it answers right. */
describe("mini names what the example pictures show", () => {
  let chat: VisionChat;
  beforeAll(async () => {
    chat = await loadVisionChat("mini");
  });
  afterAll(() => chat[Symbol.asyncDispose]());

  const ask = async (file: string, text: string): Promise<string> => {
    const image = fileURLToPath(new URL(file, folder));
    return (await chat.stream({ messages: [{ role: "user", content: [{ type: "image", image }, { type: "text", text }] }], maxTokens: 48 }).result).text;
  };

  it("there are ten, some of them in styles that were held out", () => {
    expect(examples).toHaveLength(10);
    expect(examples.filter(({ file }) => file.startsWith("held-out")).length).toBeGreaterThanOrEqual(2);
  });

  it("names every object of at least nine of them", async () => {
    const wrong: string[] = [];
    for (const { file, objects } of examples) {
      const answer = await ask(file, "What do you see?");
      if (!objects.every((name) => answer.toLowerCase().includes(name))) wrong.push(`${file}: ${answer}`);
    }
    expect(wrong.length, wrong.join("\n")).toBeLessThanOrEqual(1);
  });

  it("answers follow the picture: another picture gets another answer", async () => {
    const answers = await Promise.all(examples.map(({ file }) => ask(file, "What do you see?")));
    expect(new Set(answers).size).toBeGreaterThanOrEqual(9);
  });
});
