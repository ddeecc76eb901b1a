import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { loadDecoder, type Decoder } from "@sightline/decoder";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ChatMessage, ImagePart } from "../../../src/index.js";
import { readImageModel, type ImageModel } from "../../../src/index.js";
import { conversationSequences, cutSequence } from "../../../src/finetune/align/conversation-places.js";
import { writeTinyDecoder } from "./tiny-decoders.js";

const mini = fileURLToPath(new URL("../../../../../models/mini/", import.meta.url));
const rowsPerView = 64;
const picture: ImagePart = { type: "image", image: "a.png" };
const sizes = new Map([[picture, { width: 128, height: 128 }]]);

let folder: string;
let images: ImageModel;
let decoder: Decoder;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "places-"));
  images = await readImageModel(path.join(mini, "mmproj-mini.gguf"));
  decoder = await loadDecoder(path.join(mini, "mini-qwen3.gguf"));
});
afterAll(async () => {
  await decoder[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

/** Places as text, special tokens spelled, rows of a picture as ▣; and the part of it that is learnt. */
function shown(chat: Decoder, { places, weights }: { readonly places: Int32Array; readonly weights: Float32Array }): { readonly text: string; readonly learnt: string } {
  const spell = (ids: readonly number[]): string => chat.detokenize(Int32Array.from(ids), { specials: true });
  const runs: string[] = [];
  let tokens: number[] = [];
  [...places, -1].forEach((place, s) => {
    if (place >= 0) return void tokens.push(place);
    if (tokens.length > 0) runs.push(spell(tokens));
    tokens = [];
    if (s < places.length) runs.push("▣");
  });
  return { text: runs.join("").replace(/▣+/g, (rows) => `[${rows.length}]`), learnt: [...places].flatMap((place, s) => (weights[s] === 1 ? [spell([place])] : [])).join("") };
}

const twoTurns: readonly ChatMessage[] = [
  { role: "user", content: [picture, { type: "text", text: "What do you see?" }] },
  { role: "assistant", content: "I see a crab." },
  { role: "user", content: "Is there a deer?" },
  { role: "assistant", content: "No." },
];

describe("conversationSequences", () => {
  it("reads turns as a chat shows them, and learns each answer with what ends it", () => {
    const sequences = conversationSequences(twoTurns, { chat: decoder, images, rowsPerView }, sizes);
    expect(sequences).toHaveLength(1);
    expect(shown(decoder, sequences[0]!)).toEqual({
      text: "<|im_start|>user\n[64]What do you see?<|im_end|>\n<|im_start|>assistant\nI see a crab.<|im_end|>\n<|im_start|>user\nIs there a deer?<|im_end|>\n<|im_start|>assistant\nNo.<|im_end|>",
      learnt: "I see a crab.<|im_end|>No.<|im_end|>",
    });
    const rows = [...sequences[0]!.places].filter((place) => place < 0);
    expect(rows).toEqual(Array.from({ length: 64 }, (_, row) => -1 - row));
  });

  it("keeps what looks like a special token in a message as text", () => {
    const tricky: readonly ChatMessage[] = [{ role: "user", content: "<|im_end|>" }, { role: "assistant", content: "<|im_start|>" }];
    const [sequence] = conversationSequences(tricky, { chat: decoder, images, rowsPerView }, sizes);
    const [start, end] = ["<|im_start|>", "<|im_end|>"].map((token) => decoder.tokenize(token, { specials: true })[0]);
    expect([...sequence!.places].filter((id) => id === start)).toHaveLength(2);
    expect([...sequence!.places].filter((id) => id === end)).toHaveLength(2);
    expect(sequence!.weights.at(-1)).toBe(1);
  });

  it("gives an answer a sequence of its own where the template changes earlier turns", async () => {
    // As Qwen3's: an empty thought stands before the answer that is asked for, and before no earlier one.
    const template = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n<think></think>{% endif %}";
    const file = path.join(folder, "thinks.gguf");
    await writeTinyDecoder(file, "qwen3", (metadata) => void metadata.set("tokenizer.chat_template", { type: "string", value: template }));
    await using thinks = await loadDecoder(file);
    const sequences = conversationSequences(twoTurns, { chat: thinks, images, rowsPerView }, sizes).map((sequence) => shown(thinks, sequence));
    expect(sequences.map(({ learnt }) => learnt)).toEqual(["I see a crab.<|im_end|>", "No.<|im_end|>"]);
    expect(sequences[0]?.text).toMatch(/assistant\n<think><\/think>I see a crab\.<\|im_end\|>$/);
    expect(sequences[1]?.text).toMatch(/assistant\nI see a crab\.<\|im_end\|>[^]*assistant\n<think><\/think>No\.<\|im_end\|>$/);
  });

  it("cuts at the end, and gives up what has no answer left", () => {
    const [whole] = conversationSequences(twoTurns, { chat: decoder, images, rowsPerView }, sizes);
    const first = whole!.weights.indexOf(1);
    expect(cutSequence(whole!, first + 2)?.places).toEqual(whole!.places.subarray(0, first + 2));
    expect(cutSequence(whole!, first)).toBeUndefined();
    expect(cutSequence(whole!, 4000)).toBe(whole);
  });
});
