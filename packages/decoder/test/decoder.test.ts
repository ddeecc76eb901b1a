import { mkdtemp, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadDecoder, rawDecodeLoop, type Decoder, type DecoderOptions } from "../src/index.js";
import { endOfText, imEnd, imStart, vocabularySize, writeTinyModel } from "./tiny-model.js";

let directory: string;
let file: string;
const at = (name: string): string => path.join(directory, name);

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "sightline-decoder-"));
  file = at("tiny.gguf");
  await writeTinyModel(file, { chatTemplate: "{{ messages }}" });
});
afterAll(() => rm(directory, { recursive: true }));

describe("a loaded decoder", () => {
  let decoder: Decoder;
  beforeAll(async () => {
    decoder = await loadDecoder(file);
  });
  afterAll(() => decoder[Symbol.asyncDispose]());

  it("tells what the model is", () => {
    expect(decoder.info).toMatchObject({
      architecture: "qwen3",
      embeddingWidth: 64,
      vocabularySize,
      trainContextLength: 512,
      contextLength: 512,
      chatTemplate: "{{ messages }}",
      bosToken: { id: endOfText, text: "<|endoftext|>" },
      eosToken: { id: imEnd, text: "<|im_end|>" },
      addBos: false,
      description: expect.stringContaining("qwen3"),
      threads: { one: 1, batch: 1 },
    });
    expect(decoder.info.sizeBytes).toBe(decoder.info.parameterCount * 4);
  });

  it("tokenizes by bytes and merges, and gives the text back", () => {
    expect([...decoder.tokenize("\u0000é")]).toEqual([0, 0xc3, 0xa9]);
    for (const text of ["hello world", "", "  two  spaces ", "Füße 🍎\n", "a\u0000b"]) {
      expect(decoder.detokenize(decoder.tokenize(text))).toBe(text);
    }
    expect(decoder.tokenize("hello").length).toBe(3);
  });

  it("reads special tokens in text only when asked to", () => {
    const text = "<|im_start|>hi<|im_end|>";
    const plain = decoder.tokenize(text);
    expect(plain).not.toContain(imEnd);
    expect(decoder.detokenize(plain)).toBe(text);
    const special = decoder.tokenize(text, { specials: true });
    expect([special[0], special.at(-1)]).toEqual([imStart, imEnd]);
    expect(decoder.detokenize(special)).toBe("hi");
    expect(decoder.detokenize(special, { specials: true })).toBe(text);
  });

  it("puts the token for the beginning first when asked to", () => {
    expect([...decoder.tokenize("a", { addBos: true })]).toEqual([endOfText, 97]);
    expect([...decoder.tokenize("", { addBos: true })]).toEqual([endOfText]);
  });

  it("spells single tokens", () => {
    expect(decoder.tokenText(97)).toBe("a");
    expect(decoder.tokenText(imStart)).toBe("<|im_start|>");
    expect(decoder.tokenText(0xc3)).toBe("\ufffd");
    expect(() => decoder.tokenText(vocabularySize)).toThrow(`from 0 to ${vocabularySize - 1}, got ${vocabularySize}`);
    expect(() => decoder.detokenize(Int32Array.of(-1))).toThrow("got -1 at index 0");
  });

  it("survives long text without a space", () => {
    expect(decoder.tokenize("a".repeat(100_000)).length).toBe(50_000);
  });

  it("measures the raw loop", async () => {
    const { tokens, tokensPerSecond, milliseconds } = await rawDecodeLoop(decoder, 50);
    expect(tokens).toBe(50);
    expect(tokensPerSecond).toBeCloseTo((50 / milliseconds) * 1000, 6);
    await expect(rawDecodeLoop(decoder, 512)).rejects.toThrow("from 1 to 511, got 512");
  });
});

describe("a tokenizer that splits by std::regex", () => {
  it("survives long words, which overflow its stack when taken whole", async () => {
    const regexModel = at("regex.gguf");
    await writeTinyModel(regexModel, { tweak: (metadata) => metadata.set("tokenizer.ggml.pre", { type: "string", value: "deepseek-llm" }) });
    await using decoder = await loadDecoder(regexModel);
    for (const unit of ["a", " ", "1", "é"]) {
      const text = unit.repeat(50_000);
      expect(decoder.detokenize(decoder.tokenize(text))).toBe(text);
    }
  });
});

describe("loadDecoder refuses", () => {
  it("a file that is not there, a directory, and an empty file", async () => {
    await expect(loadDecoder(at("none.gguf"))).rejects.toMatchObject({ code: "bad-model-file", message: expect.stringContaining("none.gguf: no such file") });
    await expect(loadDecoder(directory)).rejects.toMatchObject({ code: "bad-model-file" });
    await writeFile(at("empty.gguf"), "");
    await expect(loadDecoder(at("empty.gguf"))).rejects.toMatchObject({ code: "bad-model-file", message: expect.stringContaining("got 0 bytes") });
  });

  it("another format, and another version of the format", async () => {
    await writeFile(at("zip.gguf"), Buffer.concat([Buffer.from("PK\u0003\u0004"), Buffer.alloc(100)]));
    await expect(loadDecoder(at("zip.gguf"))).rejects.toThrow('magic "GGUF"');
    const bytes = await readFile(file);
    bytes.writeUInt32LE(9, 4);
    await writeFile(at("version.gguf"), bytes);
    await expect(loadDecoder(at("version.gguf"))).rejects.toThrow("version 2 or 3, got 9");
  });

  it("a header that promises more than the file holds", async () => {
    const bytes = await readFile(file);
    bytes.writeBigUInt64LE(0xffff_ffff_ffff_ffffn, 8);
    await writeFile(at("count.gguf"), bytes);
    await expect(loadDecoder(at("count.gguf"))).rejects.toMatchObject({ code: "bad-model-file", message: expect.stringContaining("truncated?") });
  });

  it("a truncated file, with llama.cpp's words", async () => {
    const copy = at("truncated.gguf");
    const bytes = await readFile(file);
    await writeFile(copy, bytes);
    await truncate(copy, Math.floor(bytes.length * 0.7));
    await expect(loadDecoder(copy)).rejects.toMatchObject({
      code: "model-load-failed",
      message: expect.stringMatching(/truncated\.gguf: llama\.cpp cannot load this model: .*(file bounds|corrupted|incomplete)/),
    });
  });

  it("an architecture that llama.cpp does not know, naming both", async () => {
    const unknown = at("unknown.gguf");
    await writeTinyModel(unknown, { tweak: (metadata) => metadata.set("general.architecture", { type: "string", value: "palaver" }) });
    await expect(loadDecoder(unknown)).rejects.toMatchObject({ code: "unsupported-model", message: expect.stringMatching(/unknown\.gguf: llama\.cpp v0\.4\.0 does not know the architecture "palaver"; take another model, or a Sightline with a newer llama\.cpp/) });
  });

  it("a model without a tokenizer", async () => {
    const silent = at("silent.gguf");
    await writeTinyModel(silent, {
      tweak: (metadata) => {
        for (const key of [...metadata.keys()]) if (key.startsWith("tokenizer.")) metadata.delete(key);
        metadata.set("tokenizer.ggml.model", { type: "string", value: "no_vocab" });
        metadata.set("qwen3.vocab_size", { type: "uint32", value: vocabularySize });
      },
    });
    await expect(loadDecoder(silent)).rejects.toMatchObject({ code: "unsupported-model", message: expect.stringContaining("no tokenizer") });
  });

  it.each<[DecoderOptions, string]>([
    [{ threads: 0 }, "threads: expected an integer from 1 to 512, got 0"],
    [{ contextLength: 1.5 }, "contextLength: expected an integer"],
    [{ batchTokens: -1 }, "batchTokens: expected an integer"],
    [{ maxSequences: 257 }, "maxSequences: expected an integer from 1 to 256, got 257"],
    [{ gpuLayers: Number.NaN }, "gpuLayers: expected an integer from 0"],
  ])("the options %o", async (options, message) => {
    await expect(loadDecoder(file, options)).rejects.toMatchObject({ code: "bad-option", message: expect.stringContaining(message) });
  });

  it("to go on when the signal is aborted, with the signal's reason", async () => {
    const reason = new Error("changed my mind");
    await expect(loadDecoder(file, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const controller = new AbortController();
    await expect(loadDecoder(file, { signal: controller.signal, onProgress: () => controller.abort(reason) })).rejects.toBe(reason);
  });
});

describe("loading", () => {
  it("reports progress up to 1", async () => {
    const fractions: number[] = [];
    await using decoder = await loadDecoder(file, { onProgress: (fraction) => fractions.push(fraction) });
    expect(decoder.info.architecture).toBe("qwen3");
    expect(fractions.at(-1)).toBe(1);
    expect(fractions).toEqual([...fractions].sort((a, b) => a - b));
  });

  it("hands llama.cpp's log to the logger, line by line with its level, and works while it does", async () => {
    const lines: string[] = [];
    {
      await using decoder = await loadDecoder(file, { logger: (level, text) => lines.push(`${level} ${text}`) });
      using sequence = decoder.createSequence();
      const { text } = await sequence.generate([{ type: "tokens", tokens: decoder.tokenize("hello") }], { maxTokens: 5 }).result;
      expect(text.length).toBeGreaterThan(0);
      await expect(rawDecodeLoop(decoder, 5)).rejects.toThrow("without a logger");
    }
    expect(lines.some((line) => /^info .*qwen3/.test(line))).toBe(true);
    expect(lines.every((line) => /^(error|warn|info|debug) \S?.*[^\n]$/s.test(line))).toBe(true);
    const heard = lines.length;
    await using quiet = await loadDecoder(file);
    expect(quiet.info.architecture).toBe("qwen3");
    expect(lines.length).toBe(heard);
  });

  it("limits the context to what was asked for", async () => {
    await using decoder = await loadDecoder(file, { contextLength: 10 });
    expect(decoder.info.contextLength).toBe(10);
  });
});
