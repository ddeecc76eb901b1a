import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { openWeights, writeGguf, type GgufValue, type TensorToWrite } from "@sightline/weights";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { checkDecoderHeader } from "../src/header-check/check-decoder-header.js";
import { loadDecoder } from "../src/index.js";
import { writeTinyModel } from "./tiny-model.js";

let folder: string;
let files = 0;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "sightline-header-"));
});
afterAll(() => rm(folder, { recursive: true }));

const u32 = (value: number): GgufValue => ({ type: "uint32", value });
const text = (value: string): GgufValue => ({ type: "string", value });
const texts = (...value: string[]): GgufValue => ({ type: "array", of: "string", value });
const numbers = (...value: number[]): GgufValue => ({ type: "array", of: "int32", value });

/** The tiny model with keys changed, or left out where the value is undefined; `qwen3.` stands before those with no dot first. */
async function changed(change: Readonly<Record<string, GgufValue | undefined>>): Promise<string> {
  const file = path.join(folder, `${files++}.gguf`);
  await writeTinyModel(file, {
    tweak(metadata) {
      for (const [key, value] of Object.entries(change)) {
        if (value === undefined) metadata.delete(key);
        else metadata.set(key, value);
      }
    },
  });
  return file;
}

describe("a decoder's header", () => {
  it("that is right passes", async () => {
    await expect(checkDecoderHeader(await changed({}))).resolves.toBeUndefined();
  });

  // Each of these ended the process before it was checked.
  it.each<[string, Readonly<Record<string, GgufValue | undefined>>, string, RegExp]>([
    ["no blocks", { "qwen3.block_count": u32(0) }, "bad-model-file", /qwen3\.block_count: expected 1 to 512, got 0/],
    ["blocks beyond any model", { "qwen3.block_count": u32(4_294_967_295) }, "bad-model-file", /expected 1 to 512, got 4294967295/],
    ["experts in use that are not there", { "qwen3.expert_used_count": u32(2) }, "bad-model-file", /expected none, as there are no experts, got 2/],
    ["experts that are not in use", { "qwen3.expert_count": u32(4) }, "bad-model-file", /qwen3\.expert_used_count: expected 1 to 4, got 0/],
    ["groups of no experts", { "qwen3.expert_group_count": u32(2) }, "bad-model-file", /expert_group_count: expected groups that share 0 experts/],
    ["more predicting blocks than blocks", { "qwen3.nextn_predict_layers": u32(3) }, "bad-model-file", /nextn_predict_layers: expected fewer than the 2 blocks, got 3/],
    ["more levels of deepstack than blocks", { "qwen3.n_deepstack_layers": u32(4_294_967_295) }, "bad-model-file", /n_deepstack_layers: expected at most the 2 blocks/],
    ["an unknown scaling of positions", { "qwen3.rope.scaling.type": text("stretchy") }, "bad-model-file", /rope\.scaling\.type: expected one of none, linear, yarn, longrope, got "stretchy"/],
    ["a negative epsilon", { "qwen3.attention.layer_norm_rms_epsilon": { type: "float32", value: -1 } }, "bad-model-file", /layer_norm_rms_epsilon: expected a number from 0 up, got -1/],
    ["an epsilon that is none", { "qwen3.attention.layer_norm_rms_epsilon": { type: "float32", value: Number.NaN } }, "bad-model-file", /got NaN/],
    ["heads that rotate in part", { "qwen3.rope.dimension_count": u32(2) }, "bad-model-file", /rope\.dimension_count: expected 32, the width of a head, got 2/],
    ["keys and values of other widths", { "qwen3.attention.value_length": u32(16) }, "bad-model-file", /key_length and value_length to be one width above 0, got 32 and 16/],
    ["heads that are no multiple", { "qwen3.attention.head_count_kv": numbers(2, 3) }, "bad-model-file", /block 1: expected qwen3\.attention\.head_count to be a multiple of head_count_kv, got 2 and 3/],
    ["heads that its matrices do not have", { "qwen3.attention.head_count": u32(4) }, "bad-model-file", /"blk\.0\.attn_q\.weight": expected 4 heads of width 32, got 64 values/],
    ["sections beyond the head", { "qwen3.rope.dimension_sections": numbers(-1, 4, 4, 0) }, "bad-model-file", /rope\.dimension_sections: expected shares of a head of width 32, got \[-1,4,4,0\]/],
    ["a token that comes twice", { "tokenizer.ggml.tokens": texts("a", "b", "a") }, "bad-model-file", /expected each token once, got "a" a second time at 2/],
    ["a token that comes twice up to its zero byte", { "tokenizer.ggml.tokens": texts("a\0b", "a\0c") }, "bad-model-file", /got "a" a second time at 1/],
    ["an empty token that is spelled as another", { "tokenizer.ggml.tokens": texts("[EMPTY_1]", "") }, "bad-model-file", /got "\[EMPTY_1\]" a second time/],
    ["a SentencePiece vocabulary without bytes", { "tokenizer.ggml.model": text("llama") }, "bad-model-file", /expected a token for each byte, as SentencePiece falls back to them, got none for <0x00>/],
    ["a tokenizer of another kind", { "tokenizer.ggml.model": text("rwkv") }, "unsupported-model", /tokenizer\.ggml\.model: expected one of gemma4, gpt2, llama, got "rwkv"/],
    ["no tokens", { "tokenizer.ggml.tokens": undefined }, "bad-model-file", /tokenizer\.ggml\.tokens: expected an array of texts, got none/],
    ["an adapter's type", { "general.type": text("adapter") }, "unsupported-model", /expected a language model, got a GGUF of general\.type "adapter"/],
    ["the architecture of an mmproj", { "general.architecture": text("clip") }, "unsupported-model", /expected a language model, got an mmproj, which sees and does not speak/],
  ])("with %s is refused by loadDecoder", async (_, change, code, message) => {
    const file = await changed(change);
    const refused = { name: "DecoderError", code, message: expect.stringMatching(message) };
    await expect(loadDecoder(file)).rejects.toMatchObject(refused);
    await expect(loadDecoder(file)).rejects.toThrow(file);
  });

  it("with matrices of integers is refused", async () => {
    const right = await changed({});
    await using source = await openWeights(right);
    const integers = "blk.1.ffn_up.weight";
    const tensors = [...source.tensors.values()].map(({ name, dtype, shape }): TensorToWrite => ({ name, dtype: name === integers ? "I32" : dtype, shape, data: () => source.readBytes(name) }));
    const file = path.join(folder, "integers.gguf");
    const kept = ["general.architecture", "tokenizer.ggml.model", "tokenizer.ggml.tokens"].map((key): [string, GgufValue] => {
      const value = source.metadata.get(key);
      return [key, typeof value === "string" ? text(value) : texts(...(value as string[]))];
    });
    await writeGguf(file, { metadata: kept, tensors });
    await expect(loadDecoder(file)).rejects.toThrow(/"blk\.1\.ffn_up\.weight": expected a matrix of floating-point or quantised numbers, got ggml type 26/);
  });

  it("longer than what is read at first is read on", async () => {
    const file = await changed({ "general.description": text("x".repeat(3_000_000)), "qwen3.nextn_predict_layers": u32(3) });
    await expect(checkDecoderHeader(file)).rejects.toThrow(/nextn_predict_layers/);
  });
});
