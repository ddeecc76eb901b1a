import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { loadDecoder, type Decoder } from "@sightline/decoder";
import { writeSafetensors } from "@sightline/weights";
import fc from "fast-check";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { draftChat, draftPrefix, withoutOldestTurn } from "../src/chat/chat-prompt.js";
import { findModelFiles, loadVisionChat, readImageModel, type ChatMessage, type Detail, type ImageModel, type VisionChat, type VisionChatOptions } from "../src/index.js";
import { writeSeededMmproj, type MmprojFamily } from "./seeded-mmproj.js";

// Towers and projectors here are seeded, not trained: what is said means nothing, how it is asked does.
let folder: string;
let decoderPath: string;
let decoder: Decoder;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "chat-families-"));
  decoderPath = (await findModelFiles("mini")).decoder;
  decoder = await loadDecoder(decoderPath, { threads: 1, contextLength: 64 });
});
afterAll(async () => {
  await decoder[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

async function mmproj(family: MmprojFamily): Promise<string> {
  const file = path.join(folder, `mmproj-${family}.gguf`);
  await writeSeededMmproj(file, family);
  return file;
}

async function chatOf(family: MmprojFamily, options: VisionChatOptions = {}): Promise<VisionChat> {
  return loadVisionChat({ mmproj: await mmproj(family), decoder: decoderPath }, { threads: 1, ...options });
}

async function picture(width: number, height: number, seed = 1): Promise<Uint8Array> {
  const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => (i * seed * 7) % 251);
  return new Uint8Array(await sharp(data, { raw: { width, height, channels: 3 } }).png().toBuffer());
}

function ask(text: string, images: readonly Uint8Array[], detail?: Detail): ChatMessage {
  return { role: "user", content: [...images.map((image) => ({ type: "image" as const, image, ...(detail ? { detail } : {}) })), { type: "text", text }] };
}

const short = { maxTokens: 4, sampling: { temperature: 0 } };

/** The prompt as text, each run of rows as its number in braces. */
async function promptText(model: ImageModel, messages: readonly ChatMessage[], sizes: readonly (readonly [number, number])[], draft: "chat" | "prefix" = "chat"): Promise<string> {
  const parts = messages.flatMap(({ content }) => (typeof content === "string" ? [] : content.filter((part) => part.type === "image")));
  const pictures = new Map(parts.map((part, i) => {
    const [width, height] = sizes[i] as [number, number];
    return [part, { sha256: String(i), size: { width, height }, image: () => Promise.reject(new Error("not decoded here")) }] as const;
  }));
  const planner = {
    plan: (asked: typeof parts) => asked.map((part, imageIndex) => {
      const known = pictures.get(part);
      if (!known) throw new Error("unknown picture");
      return { ...known, key: String(imageIndex), plan: model.plan(known.size, { detail: part.detail ?? "auto", imageIndex, imageCount: asked.length }) };
    }),
  };
  const lookup = async (tokens: Int32Array): Promise<Float32Array> => new Float32Array(tokens.length * model.width);
  const drafted = draft === "chat" ? draftChat(messages, pictures, { decoder, model, planner }) : draftPrefix(messages, pictures, { decoder, model, planner }, lookup);
  const rows = drafted.pictures.map(({ plan }) => model.partsWithRows(plan, model.rowCounts(plan).map((count) => new Float32Array(count * model.width))));
  const segments = await drafted.segments(rows);
  expect(segments.reduce((sum, segment) => sum + (segment.type === "tokens" ? segment.tokens.length : segment.embeddings.length / model.width), 0)).toBe(drafted.length);
  return segments.map((segment) => (segment.type === "tokens" ? decoder.detokenize(segment.tokens, { specials: true }) : `{${segment.embeddings.length / model.width}${segment.attention === "non-causal" ? "*" : ""}}`)).join("");
}

const opening = "<|im_start|>user\n";
const closing = "<|im_end|>\n<|im_start|>assistant\n";

describe("a picture in the prompt", () => {
  it.each<[family: MmprojFamily, size: readonly [number, number], detail: Detail, between: string]>([
    ["mlp", [40, 30], "auto", "{16}"],
    ["gemma3", [40, 30], "auto", "\n\n<start_of_image>{4}<end_of_image>\n\n"],
    ["gemma3", [1200, 400], "high", "Here is the original image \n\n<start_of_image>{4}<end_of_image>\n\n and here are some crops to help you see better \n\n<start_of_image>{4}<end_of_image>\n\n \n\n<start_of_image>{4}<end_of_image>\n\n \n\n<start_of_image>{4}<end_of_image>\n\n"],
    ["gemma3", [1200, 400], "low", "\n\n<start_of_image>{4}<end_of_image>\n\n"],
    ["idefics3", [64, 32], "low", "<fake_token_around_image><global-img>{4}<fake_token_around_image>"],
    ["onevision", [64, 32], "low", "{17}\n"],
    // An overview of 16, two tiles of 16 joined in rows of 8, each with a newline.
    ["onevision", [64, 32], "auto", `{${16 + 4 * 9}}\n`],
    ["lfm2", [256, 256], "auto", "<|image_start|>{256}<|image_end|>"],
  ])("of %s, %j, detail %s, stands between what the family puts around it", async (family, size, detail, between) => {
    const model = await readImageModel(await mmproj(family));
    const wanted = family === "gemma3" ? between.replaceAll("{4}", "{4*}") : between;
    expect(await promptText(model, [ask("What?", [new Uint8Array()], detail)], [size])).toBe(`${opening}${wanted}What?${closing}`);
  });

  it("is cut into tiles with an overview behind them, rows ended by newlines", async () => {
    const model = await readImageModel(await mmproj("idefics3"));
    const text = await promptText(model, [ask("What?", [new Uint8Array()])], [[128, 64]]);
    const tile = (row: number, column: number): string => `<fake_token_around_image><row_${row}_col_${column}>{4}`;
    const rows = [1, 2].map((row) => [1, 2, 3, 4].map((column) => tile(row, column)).join("")).join("\n");
    expect(text).toBe(`${opening}${rows}\n\n<fake_token_around_image><global-img>{4}<fake_token_around_image>What?${closing}`);
  });

  it("of LLaVA-OneVision is cut into tiles only when it is alone, as in transformers, unless that is asked for", async () => {
    const model = await readImageModel(await mmproj("onevision"));
    expect(await promptText(model, [ask("?", [new Uint8Array(), new Uint8Array()])], [[64, 32], [64, 32]])).toBe(`${opening}{17}\n{17}\n?${closing}`);
    expect(await promptText(model, [ask("?", [new Uint8Array(), new Uint8Array()], "high")], [[64, 32], [64, 32]])).toBe(`${opening}{52}\n{52}\n?${closing}`);
  });

  it("is a block with the question, without turns, for PaliGemma", async () => {
    const model = await readImageModel(await mmproj("linear"));
    const text = decoder.tokenize("caption en\n", { addBos: false }).length + decoder.tokenize("", { specials: true, addBos: true }).length;
    const messages: ChatMessage[] = [ask("answer en What?", [new Uint8Array()]), { role: "assistant", content: "a bear" }, { role: "user", content: "caption en" }];
    expect(await promptText(model, messages, [[40, 30]], "prefix")).toBe(`{${16 + text}*}`);
  });
});

describe("a chat with another family", () => {
  it.each<MmprojFamily>(["gemma3", "idefics3", "linear", "onevision", "lfm2"])("answers about a picture, twice the same: %s", async (family) => {
    await using chat = await chatOf(family);
    const messages = [ask("What is this?", [await picture(100, 60)])];
    const first = await chat.stream({ messages, ...short }).result;
    const second = await chat.stream({ messages, ...short }).result;
    expect(second.text).toBe(first.text);
    expect(chat.encodes).toBe(1);
    expect(first.usage.imageTokens).toBeGreaterThan(0);
    // A prefix is one piece, which has to be decoded for its last row.
    if (family === "linear") expect([first.usage.imageTokens, second.usage.reusedTokens]).toEqual([16, 0]);
    else expect(second.usage.reusedTokens).toBeGreaterThanOrEqual(first.usage.imageTokens);
  });

  it("looks at a picture anew when it is to look more closely, and remembers both", async () => {
    await using chat = await chatOf("idefics3");
    const image = await picture(256, 64);
    const tokens = async (detail: Detail): Promise<number> => (await chat.stream({ messages: [ask("What?", [image], detail)], ...short }).result).usage.imageTokens;
    expect([await tokens("low"), await tokens("high"), await tokens("low"), await tokens("high")]).toEqual([4, 20, 4, 20]);
    expect(chat.encodes).toBe(2);
  });

  it("of a prefix refuses a system message, in one line that says what to do", async () => {
    await using chat = await chatOf("linear");
    const messages: ChatMessage[] = [{ role: "system", content: "Be brief." }, ask("caption en", [await picture(20, 20)])];
    await expect(chat.stream({ messages, ...short }).result).rejects.toThrow(expect.objectContaining({ code: "invalid-message", message: expect.stringContaining("no system message; put what it is to know into the question") }));
  });

  it("refuses a detail that is none", async () => {
    await using chat = await chatOf("mlp");
    expect(() => chat.stream({ messages: [ask("What?", [new Uint8Array()], "closely" as Detail)] })).toThrow('chat: message 0: expected the detail low, high or auto, got "closely"');
  });
});

describe("a conversation that is longer than the context", () => {
  const long = "word ".repeat(40);
  const turns = (count: number): ChatMessage[] => Array.from({ length: count }, (_, i) => [{ role: "user" as const, content: `${i} ${long}` }, { role: "assistant" as const, content: "yes" }]).flat();

  it("is an error that names tokens, images and room", async () => {
    await using chat = await chatOf("mlp", { contextLength: 96 });
    const messages = [ask(long, [await picture(40, 40), await picture(40, 40, 2)])];
    await expect(chat.stream({ messages, ...short }).result).rejects.toThrow(/^chat: the prompt takes \d+ tokens, 32 of them for 2 images, and the context holds 96 with the answer; load the model with contextLength: \d+ or more; leave messages out or ask with overflow: "drop-oldest", or look less closely with detail: "low"$/);
  });

  it("loses its oldest turns where that is asked for, never the system's word or the question", async () => {
    await using chat = await chatOf("mlp", { contextLength: 160 });
    const system: ChatMessage = { role: "system", content: "Be brief." };
    const question: ChatMessage = { role: "user", content: "And now?" };
    const answer = await chat.stream({ messages: [system, ...turns(8), question], overflow: "drop-oldest", ...short }).result;
    const { droppedMessages } = answer.usage;
    expect(droppedMessages).toBeGreaterThan(0);
    expect(droppedMessages % 2).toBe(0);
    const alone = await chat.stream({ messages: [system, ...turns(8).slice(droppedMessages), question], ...short }).result;
    expect(alone.usage.droppedMessages).toBe(0);
    expect(alone.text).toBe(answer.text);
    expect(alone.usage.promptTokens).toBe(answer.usage.promptTokens);
    await expect(chat.stream({ messages: [{ role: "user", content: long.repeat(9) }], overflow: "drop-oldest", ...short }).result).rejects.toThrow(expect.objectContaining({ code: "context-full" }));
  });

  it("is shortened by whole turns, from any roles, until only the last question is left", () => {
    const role = fc.constantFrom("system" as const, "user" as const, "assistant" as const);
    fc.assert(fc.property(fc.array(role, { maxLength: 12 }), (roles) => {
      const messages: ChatMessage[] = [...roles.map((own, i) => ({ role: own, content: String(i) })), { role: "user", content: "last" }];
      let left: readonly ChatMessage[] | undefined = messages;
      let rounds = 0;
      for (let next = withoutOldestTurn(left); next; next = withoutOldestTurn(left)) {
        expect(next.length).toBeLessThan(left.length);
        expect(next.at(-1)).toBe(messages.at(-1));
        left = next;
        rounds++;
      }
      expect(left.filter(({ role: own }) => own === "user").length).toBeLessThanOrEqual(1);
      expect(rounds).toBeLessThanOrEqual(messages.length);
      const leading = messages.findIndex(({ role: own }) => own !== "system");
      expect(left.slice(0, leading)).toEqual(messages.slice(0, leading));
    }));
  });
});

describe("a conversation on disk", () => {
  it("goes on in another process without encoding or prefilling anything again", async () => {
    const file = path.join(folder, "saved.safetensors");
    const question = ask("What is this?", [await picture(90, 60)], "high");
    let answered: ChatMessage[];
    let expected: string;
    const next: ChatMessage = { role: "user", content: "And what else?" };
    {
      await using chat = await chatOf("idefics3");
      const { text } = await chat.stream({ messages: [question], ...short }).result;
      answered = [question, { role: "assistant", content: text }];
      await chat.saveConversation(answered, file);
      expected = (await chat.stream({ messages: [...answered, next], ...short }).result).text;
    }
    await using chat = await chatOf("idefics3");
    const { messages, restoredTokens } = await chat.loadConversation(file);
    expect(messages).toEqual(answered);
    expect(restoredTokens).toBeGreaterThan(0);
    const { text, usage } = await chat.stream({ messages: [...messages, next], ...short }).result;
    expect(text).toBe(expected);
    expect(chat.encodes).toBe(0);
    expect(usage.reusedTokens).toBeGreaterThanOrEqual(usage.imageTokens);
  });

  it("gives its messages to another model too, which computes them itself", async () => {
    const file = path.join(folder, "other.safetensors");
    const question = ask("What is this?", [await picture(90, 60)]);
    await using chat = await chatOf("idefics3");
    await chat.saveConversation([question], file);
    await using other = await chatOf("mlp");
    const { messages, restoredTokens } = await other.loadConversation(file);
    expect(restoredTokens).toBe(0);
    await other.stream({ messages, ...short }).result;
    expect(other.encodes).toBe(1);
  });

  it("is refused when the file is another, or says what cannot be", async () => {
    await using chat = await chatOf("mlp");
    const file = path.join(folder, "bad.safetensors");
    await writeSafetensors(file, [], { format: "pt" });
    await expect(chat.loadConversation(file)).rejects.toThrow('readConversation: ' + file + ': expected a file that saveConversation wrote ("sightline conversation 1"), got format "pt"');
    const header = { model: "", messages: [{ role: "user", content: [{ type: "image", image: 3 }] }], images: 0, rows: [], cached: false };
    await writeSafetensors(file, [], { format: "sightline conversation 1", conversation: JSON.stringify(header) });
    await expect(chat.loadConversation(file)).rejects.toThrow("a message shows image 3, and there are 0");
    await writeSafetensors(file, [], { format: "sightline conversation 1", conversation: JSON.stringify({ ...header, messages: [{ role: "root", content: "" }] }) });
    await expect(chat.loadConversation(file)).rejects.toThrow(/messages.0.role: /);
  });
});

describe("rows on disk", () => {
  it("are read by the next run, told apart by model and detail, and written anew when damaged", async () => {
    const directory = path.join(folder, "store");
    const image = await picture(200, 50);
    const encodes = async (family: MmprojFamily, detail: Detail): Promise<number> => {
      await using chat = await chatOf(family, { embeddingStore: { directory } });
      await chat.stream({ messages: [ask("What?", [image], detail)], ...short }).result;
      return chat.encodes;
    };
    expect([await encodes("idefics3", "low"), await encodes("idefics3", "low"), await encodes("idefics3", "high"), await encodes("mlp", "low"), await encodes("mlp", "low")]).toEqual([1, 0, 1, 1, 0]);
    const files = await readdir(directory);
    expect(files).toHaveLength(3);
    for (const name of files) await writeFile(path.join(directory, name), "damaged");
    expect([await encodes("mlp", "low"), await encodes("mlp", "low")]).toEqual([1, 0]);
  });

  it("stay within the bytes that they may take", async () => {
    const directory = path.join(folder, "small-store");
    await using chat = await chatOf("mlp", { embeddingStore: { directory, maxBytes: 30_000 } });
    for (const seed of [1, 2, 3, 4, 5]) await chat.stream({ messages: [ask("What?", [await picture(32, 32, seed)])], ...short }).result;
    // 16 rows of 192 floats are 12,288 bytes.
    expect(await readdir(directory)).toHaveLength(2);
  });
});
