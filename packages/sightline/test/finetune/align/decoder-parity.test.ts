import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { buildDecoder, decoderFromCheckpoint, decoderFromGguf, trainableParameters, TrainingError, withRopeFactors, type StoredDecoder } from "@sightline/contrastive";
import { loadDecoder, type Segment } from "@sightline/decoder";
import { concat, gatherRows, Graph, openSession, reshape, type TensorValue } from "@sightline/graph";
import { weightParameters } from "@sightline/vision-tower";
import { openGguf, openSafetensors, writeSafetensors, type TensorToWrite, type WeightSource } from "@sightline/weights";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { seededRandom } from "../../../../decoder/test/tiny-model.js";
import { window, writeTinyDecoder, type TinyArchitecture } from "./tiny-decoders.js";

const mini = fileURLToPath(new URL("../../../../../models/mini/mini-qwen3.gguf", import.meta.url));

let folder: string;
beforeAll(async () => void (folder = await mkdtemp(path.join(tmpdir(), "decoder-parity-"))));
afterAll(() => rm(folder, { recursive: true }));

/** A prompt of tokens, rows of an image, and tokens again. */
interface MixedPrompt {
  readonly before: readonly number[];
  readonly rows: Float32Array;
  readonly after: readonly number[];
}

/** Log-probabilities after each place, float32[S, V], by the training graph of a GGUF. */
async function graphLogProbabilities(file: string, prompt: MixedPrompt): Promise<LogProbabilities> {
  await using source = await openGguf(file);
  return await logProbabilitiesOf(source, await withRopeFactors(source, decoderFromGguf(source)), prompt);
}

interface LogProbabilities {
  /** V */
  readonly width: number;
  readonly data: Float32Array;
}

async function logProbabilitiesOf(source: WeightSource, { config, rename }: StoredDecoder, { before, rows, after }: MixedPrompt): Promise<LogProbabilities> {
  const graph = new Graph();
  const decoder = buildDecoder(weightParameters(graph, source, rename), config);
  const images = rows.length / config.width;
  const image = graph.weight("image rows", "float32", [images, config.width], rows);
  const tokens = decoder.embed(graph.int64s([...before, ...after]));
  const length = before.length + images + after.length;
  const order = Array.from({ length }, (_, s) => (s < before.length ? images + s : s < before.length + images ? s - before.length : s));
  const sequence = reshape(gatherRows(concat([image, tokens], 0), graph.int64s(order)), [1, length, config.width]);
  const logits = decoder.logits(reshape(decoder.hidden(sequence), [length, config.width]));
  graph.output("log p", graph.node1("LogSoftmax", [logits], { shape: logits.shape }, { axis: -1 }));
  await using session = await openSession(graph, { device: "cpu", threads: 1 });
  const result = (await session.run({}))["log p"] as TensorValue;
  return { width: config.vocabularySize, data: result.data as Float32Array };
}

/** The largest difference from llama.cpp's log-probabilities of its 100 likeliest tokens, after each place from the image on. */
async function largestDifference(file: string, prompt: MixedPrompt): Promise<number> {
  const ours = await graphLogProbabilities(file, prompt);
  await using decoder = await loadDecoder(file, { cacheTypeK: "f32", cacheTypeV: "f32", threads: 1 });
  let worst = 0;
  for (let taken = 0; taken <= prompt.after.length; taken++) {
    const segments: Segment[] = [
      { type: "tokens", tokens: Int32Array.from(prompt.before) },
      { type: "embeddings", embeddings: prompt.rows, id: "rows" },
      ...(taken > 0 ? [{ type: "tokens" as const, tokens: Int32Array.from(prompt.after.slice(0, taken)) }] : []),
    ];
    const { logprobs } = await decoder.generate(segments, { maxTokens: 1, logprobs: 100, ignoreEnd: true, sampling: { temperature: 0 } }).result;
    const place = prompt.before.length + prompt.rows.length / decoder.info.embeddingWidth + taken - 1;
    const top = logprobs?.[0]?.top ?? [];
    expect(top.length).toBe(100);
    for (const { id, logprob } of top) worst = Math.max(worst, Math.abs(logprob - (ours.data[place * ours.width + id] as number)));
  }
  return worst;
}

function mixedPrompt(width: number, vocabulary: number): MixedPrompt {
  const random = seededRandom(5);
  const tokens = (length: number): number[] => Array.from({ length }, () => Math.floor(random() * vocabulary));
  return { before: tokens(4), rows: Float32Array.from({ length: 6 * width }, () => 2 * random() - 1), after: tokens(9) };
}

describe("the training graph of a decoder, against llama.cpp", () => {
  // float32 both, keys and values too; llama.cpp multiplies in another order, and looks GELU up in a table of float16.
  it.each<[TinyArchitecture, number]>([["qwen3", 1e-4], ["qwen2", 1e-4], ["llama", 1e-4], ["gemma3", 5e-3]])("gives %s's log-probabilities to %s", async (architecture, tolerance) => {
    const file = path.join(folder, `${architecture}.gguf`);
    await writeTinyDecoder(file, architecture);
    expect(await largestDifference(file, mixedPrompt(48, 900))).toBeLessThan(tolerance);
  });

  it("gives mini's to 0.01: llama.cpp rounds what meets mini's float16 matrices", async () => {
    expect(await largestDifference(mini, mixedPrompt(192, 1400))).toBeLessThan(0.01);
  });
});

/** The decoder of a GGUF as transformers stores it, its tensors behind a prefix, and the value of its config.json. */
async function writeCheckpointTwin(gguf: string, out: string, architecture: TinyArchitecture, prefix: string): Promise<object> {
  await using source = await openGguf(gguf);
  const { config, rename } = decoderFromGguf(source);
  const graph = new Graph();
  const declared = trainableParameters(graph);
  const decoder = buildDecoder(declared.parameter, config);
  decoder.logits(reshape(decoder.hidden(graph.input("x", "float32", [1, 2, config.width])), [2, config.width]));
  const tensors: TensorToWrite[] = [];
  for (const [name, shape] of declared.shapes) {
    let data = await source.readFloat32(rename(name));
    if (architecture === "gemma3" && name.endsWith("norm.weight")) data = data.map((value) => value - 1);
    // llama.cpp puts the rows of Llama's heads in pairs, transformers in halves.
    if (architecture === "llama" && /(q|k)_proj/.test(name)) data = halves(data, shape[0] as number, config.headWidth);
    tensors.push({ name: name.replace(/^model\./, prefix), dtype: "F32", shape, data });
  }
  await writeSafetensors(out, tensors);
  const common = {
    model_type: architecture === "gemma3" ? "gemma3_text" : architecture,
    hidden_size: config.width,
    num_hidden_layers: config.layers,
    num_attention_heads: config.heads,
    num_key_value_heads: config.keyValueHeads,
    head_dim: config.headWidth,
    intermediate_size: config.mlpWidth,
    vocab_size: config.vocabularySize,
    rms_norm_eps: config.rmsNormEps,
    rope_theta: config.ropeTheta,
    tie_word_embeddings: config.untiedOutput !== true,
  };
  return architecture === "gemma3" ? { ...common, sliding_window: window, query_pre_attn_scalar: config.headWidth, sliding_window_pattern: 6, rope_local_base_freq: 10_000 } : common;
}

function halves(values: Float32Array, rows: number, headWidth: number): Float32Array {
  const columns = values.length / rows;
  const out = new Float32Array(values.length);
  for (let row = 0; row < rows; row++) {
    const inHead = row % headWidth;
    const from = row - inHead + (inHead < headWidth / 2 ? 2 * inHead : 2 * (inHead - headWidth / 2) + 1);
    out.set(values.subarray(from * columns, (from + 1) * columns), row * columns);
  }
  return out;
}

describe("decoderFromCheckpoint", () => {
  it.each<[TinyArchitecture, string]>([["qwen3", "model."], ["qwen2", "model.language_model."], ["llama", "language_model.model."], ["gemma3", "model."]])("reads %s as transformers stores it, behind %s, to the GGUF's log-probabilities", async (architecture, prefix) => {
    const [gguf, safetensors] = [path.join(folder, `${architecture}-twin.gguf`), path.join(folder, `${architecture}.safetensors`)];
    await writeTinyDecoder(gguf, architecture);
    const config = await writeCheckpointTwin(gguf, safetensors, architecture, prefix);
    await using source = await openSafetensors(safetensors);
    const stored = decoderFromCheckpoint(source, config);
    await using original = await openGguf(gguf);
    // The twin has no factors beside its tensors.
    const expected = await logProbabilitiesOf(original, decoderFromGguf(original), mixedPrompt(48, 900));
    const actual = await logProbabilitiesOf(source, stored, mixedPrompt(48, 900));
    expect(actual.data.reduce((worst, value, i) => Math.max(worst, Math.abs(value - (expected.data[i] as number))), 0)).toBeLessThan(1e-4);
  });

  it("stretches Llama 3's long waves as transformers does, and refuses what it does not know", async () => {
    const [gguf, safetensors] = [path.join(folder, "scaled.gguf"), path.join(folder, "scaled.safetensors")];
    await writeTinyDecoder(gguf, "llama");
    const config = await writeCheckpointTwin(gguf, safetensors, "llama", "model.");
    await using source = await openSafetensors(safetensors);
    const scaling = { rope_type: "llama3", factor: 8, low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 64 };
    // Of _compute_llama3_parameters with d = 16 and theta = 10000: waves under 16 stay, those over 64 are divided by 8; of 19.87 and 62.83 something between.
    const wave = 2 * Math.PI * 10_000 ** (1 / 8);
    const smooth = (64 / wave - 1) / 3;
    expect(decoderFromCheckpoint(source, { ...config, rope_scaling: scaling }).config.ropeDivisors?.map((divisor) => Number(divisor.toFixed(6)))).toEqual([1, Number((1 / ((1 - smooth) / 8 + smooth)).toFixed(6)), 7.667385, 8, 8, 8, 8, 8]);
    expect(() => decoderFromCheckpoint(source, { ...config, rope_scaling: { rope_type: "yarn", factor: 4 } })).toThrow('rope_scaling: expected default, linear or llama3, got "yarn"');
    expect(() => decoderFromCheckpoint(source, { ...config, model_type: "opt" })).toThrow('model_type is "opt", a decoder that cannot be trained; known: gemma3, gemma3_text, llama, mistral, qwen2, qwen3');
  });
});

describe("decoderFromGguf", () => {
  it("names the architectures that it knows for one that it does not", async () => {
    const file = path.join(folder, "phi3.gguf");
    await writeTinyDecoder(file, "qwen3", (metadata) => metadata.set("general.architecture", { type: "string", value: "phi3" }));
    await using source = await openGguf(file);
    expect(() => decoderFromGguf(source)).toThrow(TrainingError);
    expect(() => decoderFromGguf(source)).toThrow('general.architecture is "phi3", a decoder that cannot be trained; known: gemma3, llama, qwen2, qwen3');
  });

  it("refuses positions that are stretched in a way that it does not know", async () => {
    const file = path.join(folder, "yarn.gguf");
    await writeTinyDecoder(file, "qwen2", (metadata) => metadata.set("qwen2.rope.scaling.type", { type: "string", value: "yarn" }));
    await using source = await openGguf(file);
    expect(() => decoderFromGguf(source)).toThrow("qwen2.rope.scaling.type: expected none or linear, got yarn");
  });
});
