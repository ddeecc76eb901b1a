import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadVisionChat } from "../src/index.js";
import { messagesOf, seededPairs, writeSeededPair, type ConversationName } from "./seeded-pairs.js";

interface Golden {
  readonly pair: string;
  readonly conversation: ConversationName;
  readonly promptTokens: number;
  readonly imageTokens: number;
  readonly tokens: readonly number[];
  /** How far the second best logit lay below the best, at each step. */
  readonly margins: readonly number[];
  /** Log probability of the token, at each step. */
  readonly logprobs: readonly number[];
}

const goldens = JSON.parse(readFileSync(new URL("goldens/mtmd/families.json", import.meta.url), "utf8")) as readonly Golden[];

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "mtmd-families-"));
});
afterAll(() => rm(folder, { recursive: true }));

describe("a chat with a seeded pair, held against llama.cpp's mtmd", () => {
  it.each(Object.keys(seededPairs))("%s", async (pair) => {
    const files = await writeSeededPair(folder, pair);
    await using chat = await loadVisionChat(files, { preprocessing: "llama.cpp", threads: 1, decoder: { cacheTypeK: "f32", cacheTypeV: "f32", flashAttention: false } });
    for (const golden of goldens.filter((entry) => entry.pair === pair)) {
      const messages = await messagesOf(golden.conversation);
      const { usage, logprobs = [] } = await chat.stream({ messages, maxTokens: golden.tokens.length, ignoreEnd: true, sampling: { temperature: 0 }, logprobs: 1 }).result;
      const ids = logprobs.map(({ id }) => id);
      const first = ids.findIndex((id, i) => id !== golden.tokens[i]);
      const off = Math.max(...logprobs.slice(0, first === -1 ? 64 : first).map(({ logprob }, i) => Math.abs(logprob - (golden.logprobs[i] as number))));
      console.log(pair, golden.conversation, usage.promptTokens, golden.promptTokens, usage.imageTokens, golden.imageTokens, "first", first, golden.margins[first], "off", off, "reused", usage.reusedTokens);
    }
  });
});
