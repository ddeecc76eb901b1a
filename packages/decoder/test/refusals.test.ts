import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadDecoder, type Decoder, type GenerateOptions, type Segment, type Sequence } from "../src/index.js";
import { vocabularySize, writeTinyModel } from "./tiny-model.js";

describe("generate refuses", () => {
  let directory: string;
  let decoder: Decoder;
  let sequence: Sequence;
  beforeAll(async () => {
    directory = await mkdtemp(path.join(tmpdir(), "sightline-refusals-"));
    const file = path.join(directory, "tiny.gguf");
    await writeTinyModel(file);
    decoder = await loadDecoder(file, { contextLength: 256 });
    sequence = decoder.createSequence();
  });
  afterAll(async () => {
    await decoder[Symbol.asyncDispose]();
    await rm(directory, { recursive: true });
  });

  it.each<[string, Segment[], string, string]>([
    ["no segments", [], "bad-input", "at least one token or embedding"],
    ["empty segments", [{ type: "tokens", tokens: new Int32Array() }], "bad-input", "at least one token or embedding"],
    ["a token beyond the vocabulary", [{ type: "tokens", tokens: Int32Array.of(1, vocabularySize) }], "bad-input", `segments[0].tokens: expected token ids from 0 to ${vocabularySize - 1}, got ${vocabularySize} at index 1`],
    ["a negative token", [{ type: "tokens", tokens: Int32Array.of(-1) }], "bad-input", "got -1 at index 0"],
    ["rows of another width", [{ type: "embeddings", embeddings: new Float32Array(100), id: "a" }], "bad-input", "float32[N, 64] (this decoder's embedding width is 64), got 100 values"],
    ["no rows", [{ type: "embeddings", embeddings: new Float32Array(0), id: "a" }], "bad-input", "got 0 values"],
    ["numbers that are none", [{ type: "embeddings", embeddings: new Float32Array(128).fill(Number.NaN, 70, 71), id: "a" }], "bad-input", "got NaN in row 1, column 6"],
    ["infinite numbers", [{ type: "embeddings", embeddings: new Float32Array(64).fill(Infinity, 63), id: "a" }], "bad-input", "got Infinity in row 0, column 63"],
    ["a prompt beyond the context", [{ type: "tokens", tokens: new Int32Array(257) }], "context-full", "257 positions (257 tokens, 0 embeddings), the context 256"],
  ])("%s", (_, segments, code, message) => {
    expect(() => sequence.generate(segments)).toThrow(expect.objectContaining({ name: "DecoderError", code, message: expect.stringContaining(message) }));
  });

  it.each<[GenerateOptions, string]>([
    [{ maxTokens: -1 }, "maxTokens: expected an integer from 0 up, got -1"],
    [{ maxTokens: 1.5 }, "maxTokens"],
    [{ stop: [""] }, "stop: expected an array of strings that are not empty"],
    [{ sampling: { temperature: -1 } }, "sampling.temperature: expected a number from 0 to 1000000, got -1"],
    [{ sampling: { temperature: Number.NaN } }, "sampling.temperature"],
    [{ sampling: { topK: 0 } }, "sampling.topK: expected an integer from 1 up, got 0"],
    [{ sampling: { topP: 0 } }, "sampling.topP: expected a number above 0, up to 1, got 0"],
    [{ sampling: { minP: 1.1 } }, "sampling.minP"],
    [{ sampling: { repeatPenalty: 0 } }, "sampling.repeatPenalty"],
    [{ sampling: { repeatLastN: 1.5 } }, "sampling.repeatLastN"],
    [{ sampling: { seed: 2 ** 32 - 1 } }, "sampling.seed: expected an integer from 0 to 4294967294"],
  ])("the options %o", (options, message) => {
    expect(() => sequence.generate([{ type: "tokens", tokens: Int32Array.of(97) }], options)).toThrow(expect.objectContaining({ code: "bad-option", message: expect.stringContaining(message) }));
  });
});
