import { mkdtemp, rm, writeFile, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { writeGguf, type GgufValue, type TensorToWrite } from "@sightline/weights";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadDecoder, type DecoderOptions } from "../src/index.js";
import { seededRandom, vocabularySize, writeTinyModel } from "./tiny-model.js";

const width = 64;
const token = 104;
const alpha = 6;
const outputNorm = 0.5;

let directory: string;
let model: string;
let embeddings: Float32Array;
/** Rank 1: what is added to the output matrix is `alpha * b * a`. */
const random = seededRandom(77);
const a = Float32Array.from({ length: width }, () => random() - 0.5);
const b = Float32Array.from({ length: vocabularySize }, () => random() - 0.5);

const at = (name: string): string => path.join(directory, name);

async function writeAdapter(file: string, tensors: TensorToWrite[], tweak: (metadata: Map<string, GgufValue>) => void = () => undefined): Promise<string> {
  const metadata = new Map<string, GgufValue>([
    ["general.architecture", { type: "string", value: "qwen3" }],
    ["general.type", { type: "string", value: "adapter" }],
    ["adapter.type", { type: "string", value: "lora" }],
    ["adapter.lora.alpha", { type: "float32", value: alpha }],
    ["general.tags", { type: "array", of: "string", value: ["one", "two"] }],
  ]);
  tweak(metadata);
  await writeGguf(at(file), { metadata, tensors });
  return at(file);
}

function pair(name: string, aShape: [number, number], bShape: [number, number], aData = new Float32Array(aShape[0] * aShape[1]), bData = new Float32Array(bShape[0] * bShape[1])): TensorToWrite[] {
  return [
    { name: `${name}.lora_a`, dtype: "F32", shape: aShape, data: aData },
    { name: `${name}.lora_b`, dtype: "F32", shape: bShape, data: bData },
  ];
}

const outputPair = (): TensorToWrite[] => pair("output.weight", [1, width], [vocabularySize, 1], a, b);

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "sightline-lora-"));
  model = at("model.gguf");
  // Layers that add nothing: the output matrix sees the token's own embedding, normalised.
  embeddings = await writeTinyModel(model, { successors: new Map([[token, 105]]), outputNorm });
});
afterAll(() => rm(directory, { recursive: true }));

async function logitsWith(loraAdapters: DecoderOptions["loraAdapters"]): Promise<Float32Array> {
  await using decoder = await loadDecoder(model, { contextLength: 32, ...(loraAdapters === undefined ? {} : { loraAdapters }) });
  using sequence = decoder.createSequence();
  return await sequence.logits([{ type: "tokens", tokens: Int32Array.of(token) }]);
}

describe("a LoRA adapter of rank 1", () => {
  it("adds alpha times scale times b times a to its matrix", async () => {
    const file = await writeAdapter("output.gguf", outputPair());
    const row = embeddings.subarray(token * width, (token + 1) * width);
    const size = Math.sqrt(row.reduce((sum, x) => sum + x * x, 0) / width + 1e-6);
    const along = row.reduce((sum, x, i) => sum + (x / size) * outputNorm * (a[i] ?? 0), 0);
    const plain = await logitsWith(undefined);
    for (const scale of [1, 0.5, -2, 0]) {
      const changed = await logitsWith([{ path: file, scale }]);
      for (let id = 0; id < vocabularySize; id++) {
        expect(changed[id]).toBeCloseTo((plain[id] ?? 0) + scale * alpha * (b[id] ?? 0) * along, 4);
      }
    }
    expect(await logitsWith([{ path: file }])).toEqual(await logitsWith([{ path: file, scale: 1 }]));
  });

  it("adds up with others", async () => {
    const file = await writeAdapter("output.gguf", outputPair());
    const copy = at("copy.gguf");
    await writeFile(copy, await readFile(file));
    const twice = await logitsWith([{ path: file, scale: 0.25 }, { path: copy, scale: 0.75 }]);
    const once = await logitsWith([{ path: file }]);
    for (let id = 0; id < vocabularySize; id++) expect(twice[id]).toBeCloseTo(once[id] ?? 0, 4);
  });
});

describe("adapters that are refused", () => {
  const load = (file: string): Promise<unknown> => loadDecoder(model, { contextLength: 32, loraAdapters: [{ path: file }] });
  const refused = (message: string | RegExp): object => ({ code: "bad-adapter-file", message: typeof message === "string" ? expect.stringContaining(message) : expect.stringMatching(message) });

  it("because of another width", async () => {
    await expect(load(await writeAdapter("wide.gguf", pair("output.weight", [1, 32], [vocabularySize, 1])))).rejects.toMatchObject(refused("does not fit the model: llama_adapter_lora_init: failed to apply lora adapter: tensor 'output.weight' has incorrect shape"));
  });

  it("because of a tensor that the model does not have", async () => {
    await expect(load(await writeAdapter("foreign.gguf", pair("blk.9.attn_q.weight", [1, width], [width, 1])))).rejects.toMatchObject(refused("'blk.9.attn_q.weight' does not exist in base model"));
  });

  it("because of another architecture", async () => {
    await expect(load(await writeAdapter("llama.gguf", outputPair(), (m) => m.set("general.architecture", { type: "string", value: "llama" })))).rejects.toMatchObject(refused('expected general.architecture "qwen3", this decoder\'s, got "llama"'));
  });

  it.each<[string, (metadata: Map<string, GgufValue>) => void, string]>([
    ["it is a model", (m) => m.delete("general.type"), 'expected general.type "adapter", a LoRA adapter, got none'],
    ["a text is a number", (m) => m.set("adapter.type", { type: "uint32", value: 1 }), 'expected adapter.type "lora", got "1"'],
    ["alpha is no float32", (m) => m.set("adapter.lora.alpha", { type: "uint32", value: 1 }), "expected adapter.lora.alpha as a float32, got 1"],
    ["alpha is not a number", (m) => m.set("adapter.lora.alpha", { type: "float32", value: Number.NaN }), "adapter.lora.alpha as a float32, got NaN"],
  ])("because %s", async (_, tweak, message) => {
    await expect(load(await writeAdapter("odd.gguf", outputPair(), tweak))).rejects.toMatchObject(refused(message));
  });

  it("because the halves are not of one rank, or one is missing", async () => {
    await expect(load(await writeAdapter("ranks.gguf", pair("output.weight", [2, width], [vocabularySize, 3])))).rejects.toMatchObject(refused("of one rank, got [64, 2] and [3, "));
    await expect(load(await writeAdapter("embedding.gguf", pair("token_embd.weight", [vocabularySize, 2], [width, 3])))).rejects.toMatchObject(refused("of one rank"));
    await expect(load(await writeAdapter("half.gguf", outputPair().slice(0, 1)))).rejects.toMatchObject(refused("expected its other half output.weight.lora_b"));
    await expect(load(await writeAdapter("none.gguf", [{ name: "x", dtype: "F32", shape: [1], data: new Float32Array(1) }]))).rejects.toMatchObject(refused("expected tensors named *.lora_a and *.lora_b, got none"));
  });

  it("because the file is none, is not there, or is cut short", async () => {
    await expect(load(at("nowhere.gguf"))).rejects.toMatchObject(refused("no such file"));
    await writeFile(at("text.gguf"), "not a GGUF file, but long enough for one");
    await expect(load(at("text.gguf"))).rejects.toMatchObject(refused('magic "GGUF"'));
    const whole = await readFile(await writeAdapter("whole.gguf", outputPair()));
    for (const length of [30, 120, 300, whole.length - 400]) {
      await writeFile(at("cut.gguf"), whole.subarray(0, length));
      await expect(load(at("cut.gguf"))).rejects.toMatchObject(refused(/truncated|corrupted/));
    }
  });

  it("however single bytes of the header are changed: an error or an adapter, and no crash", async () => {
    const whole = await readFile(await writeAdapter("whole.gguf", outputPair()));
    const next = seededRandom(5);
    let refused = 0;
    for (let i = 0; i < 150; i++) {
      const broken = Buffer.from(whole);
      broken[Math.floor(next() * 440)] = Math.floor(next() * 256);
      await writeFile(at("broken.gguf"), broken);
      await logitsWith([{ path: at("broken.gguf") }]).catch((error: unknown) => {
        refused++;
        expect(error).toMatchObject({ code: "bad-adapter-file" });
      });
    }
    expect(refused).toBeGreaterThan(50);
  });

  it.each<[unknown, string]>([
    [{}, "loraAdapters: expected an array of { path, scale }, got object"],
    [[{}], "loraAdapters[0].path: expected a string, got undefined"],
    [["a.gguf"], "loraAdapters[0].path: expected a string"],
    [[{ path: "a", scale: Number.NaN }], "loraAdapters[0].scale: expected a number from -1000 to 1000, got NaN"],
  ])("as options: %j", async (loraAdapters, message) => {
    await expect(loadDecoder(model, { loraAdapters: loraAdapters as never })).rejects.toMatchObject({ code: "bad-option", message: expect.stringContaining(message) });
  });
});
