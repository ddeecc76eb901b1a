import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { parquetWriteFile } from "hyparquet-writer";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseFinetuneConfig, type AlignConfig, type AlignSettings } from "../../../src/index.js";
import { readConversations } from "../../../src/finetune/align/read-conversations.js";

let folder: string;
beforeAll(async () => void (folder = await mkdtemp(path.join(tmpdir(), "conversations-"))));
afterAll(() => rm(folder, { recursive: true }));

const config = (data: Partial<AlignSettings["data"]> = {}): AlignConfig => parseFinetuneConfig({ stage: "align", model: "mini", out: "o", data: { train: "x", ...data }, steps: 1 }) as AlignConfig;

const llava = { id: "a", image: "a.png", conversations: [{ from: "human", value: "<image>\nWhat?" }, { from: "gpt", value: "A cat." }] };
const openAi = { messages: [{ role: "user", content: "Hi" }, { role: "assistant", content: "Hello." }] };

describe("readConversations", () => {
  it("reads both forms line by line, and LLaVA's own files, which are one list", async () => {
    const [lines, list] = [path.join(folder, "lines.jsonl"), path.join(folder, "list.json")];
    await writeFile(lines, [llava, openAi, { caption: "no conversation" }].map((row) => JSON.stringify(row)).join("\n"));
    await writeFile(list, JSON.stringify([llava, openAi, 3]));
    const { conversations, bad } = await readConversations([lines, list], config({ system: "Be brief." }));
    expect(conversations.map(({ id }) => id)).toEqual(["a", "lines.jsonl:2", "a", "list.json:1"]);
    expect(conversations[0]?.messages).toEqual([{ role: "system", content: "Be brief." }, { role: "user", content: [{ type: "image", image: path.join(folder, "a.png") }, { type: "text", text: "What?" }] }, { role: "assistant", content: "A cat." }]);
    expect(bad.report()).toEqual(["2 x neither conversations nor messages: lines.jsonl:3, list.json:2"]);
  });

  it("reads parquet as data sets on the hub have it: messages beside a list of image bytes", async () => {
    const file = path.join(folder, "rows.parquet");
    const messages = [[{ role: "user", content: [{ type: "image", text: null }, { type: "text", text: "What?" }] }, { role: "assistant", content: [{ type: "text", text: "A cat." }] }]];
    parquetWriteFile({ filename: file, columnData: [{ name: "messages", data: messages, type: "JSON" }, { name: "image", data: [Uint8Array.of(1, 2, 3)], type: "BYTE_ARRAY" }] });
    const { conversations } = await readConversations([file], config());
    expect(conversations[0]?.messages).toEqual([{ role: "user", content: [{ type: "image", image: Uint8Array.of(1, 2, 3) }, { type: "text", text: "What?" }] }, { role: "assistant", content: "A cat." }]);
  });

  it("makes every caption of a pair the answer to one of the prompts, the same one each time", async () => {
    const file = path.join(folder, "pairs.csv");
    await writeFile(file, `image,caption\n${Array.from({ length: 30 }, (_, i) => `${i}.png,caption ${i}`).join("\n")}\n`);
    const read = async (seed: number): Promise<string[]> => (await readConversations([file], { ...config({ prompt: ["Describe.", "What?"] }), seed })).conversations.map(({ messages }) => JSON.stringify(messages));
    const first = await read(0);
    expect(first).toHaveLength(30);
    expect(first[3]).toMatch(/3\.png.*"text":"(Describe\.|What\?)".*"role":"assistant","content":"caption 3"/);
    expect(new Set(first.map((text) => /Describe\.|What\?/.exec(text)?.[0])).size).toBe(2);
    expect(await read(0)).toEqual(first);
    expect(await read(1)).not.toEqual(first);
  });

  it("says where it found nothing, and what was wrong with what it found", async () => {
    const file = path.join(folder, "mute.jsonl");
    await writeFile(file, JSON.stringify({ conversations: [{ from: "human", value: "Hi" }] }));
    await expect(readConversations([file], config())).rejects.toThrow(`no conversations in ${file}: 1 x no answer: mute.jsonl:1`);
    await writeFile(path.join(folder, "cut.json"), "[{");
    await expect(readConversations([path.join(folder, "cut.json")], config())).rejects.toThrow("cannot be read as JSON");
  });
});
