import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { openWeights, writeGguf, type GgufValue, type TensorToWrite } from "@sightline/weights";
import { loadDecoder } from "@sightline/decoder";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { writeTinyModel } from "../../decoder/test/tiny-model.js";
import { familyCase, writeCheckpoint } from "../../projector/test/family-case.js";
import { modelReport } from "../src/cli/model-report.js";
import { describeModel, findModelFiles } from "../src/index.js";
import { kvCacheSizes } from "../src/models/kv-cache-bytes.js";
import { checkModelFiles, checkModelPair, decoderInputWidth } from "../src/models/model-pair.js";
import { golden, miniFolder, run } from "./command.js";

const mini = { mmproj: path.join(miniFolder, "mmproj-mini.gguf"), decoder: path.join(miniFolder, "mini-qwen3.gguf") };

let folder: string;
let files = 0;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "describe-model-"));
});
afterAll(() => rm(folder, { recursive: true }));

const text = (value: string): GgufValue => ({ type: "string", value });
const u32 = (value: number): GgufValue => ({ type: "uint32", value });

async function written(metadata: Readonly<Record<string, GgufValue>>, tensors: readonly TensorToWrite[] = [{ name: "a", dtype: "F32", shape: [2], data: new Float32Array(2) }]): Promise<string> {
  const file = path.join(folder, `${files++}.gguf`);
  await writeGguf(file, { metadata: Object.entries(metadata), tensors });
  return file;
}

describe("describeModel", () => {
  it("says what mini is, and that its pair fits", async () => {
    const { tower, projector, decoder, pair, memory } = await describeModel("mini");
    expect(tower).toMatchObject({ kind: "siglip", imageSize: 128, patchSize: 16, width: 256, blocks: 6, heads: 4, parameters: 4_164_352 });
    expect(projector).toEqual({ type: "mlp", known: true, width: 192, tokens: { least: 64, most: 64 }, parameters: 86_400 });
    expect(decoder).toMatchObject({ architecture: "qwen3", blocks: 4, width: 192, heads: 3, keyValueHeads: 3, trainedContext: 1024, vocabulary: 1424, chatTemplate: true });
    expect(pair).toEqual({ fits: true, projectorWidth: 192, decoderWidth: 192 });
    expect(memory).toEqual({ decoderBytes: 4_094_720, encoderBytes: 17_003_192, cache: [{ context: 1024, bytes: 4 * 3 * 128 * 2 * 1024 }] });
  });

  it("counts the parameters and the cache that llama.cpp counts", async () => {
    const { decoder, memory } = await describeModel(mini.decoder);
    const lines: string[] = [];
    await using loaded = await loadDecoder(mini.decoder, { contextLength: 1024, logger: (_, line) => lines.push(line) });
    expect(decoder?.parameters).toBe(loaded.info.parameterCount);
    expect(memory.decoderBytes).toBe(loaded.info.sizeBytes);
    const [, mebibytes] = /KV buffer size = +([\d.]+) MiB/.exec(lines.join("\n")) ?? [];
    expect(Number(mebibytes) * 2 ** 20).toBe(memory.cache[0]?.bytes);
  });

  it("describes each file alone", async () => {
    const seeing = await describeModel(mini.mmproj);
    expect([seeing.tower?.kind, seeing.decoder, seeing.pair]).toEqual(["siglip", undefined, undefined]);
    const speaking = await describeModel(mini.decoder);
    expect([speaking.tower, speaking.decoder?.architecture]).toEqual([undefined, "qwen3"]);
  });

  it("describes Hugging Face directories: SigLIP, NaFlex, vision-language models", async () => {
    expect((await describeModel(path.join(miniFolder, "siglip"))).tower).toMatchObject({ kind: "siglip", blocks: 6, heads: 4, patchSize: 16 });
    const naflex = (await describeModel(golden("siglip2-naflex"))).tower;
    expect([naflex?.kind, naflex?.imageSize]).toEqual(["siglip2-naflex", undefined]);
    const at = path.join(folder, "gemma3");
    await using _ = await writeCheckpoint(at, familyCase("gemma3"));
    await writeFile(path.join(at, "preprocessor_config.json"), JSON.stringify({ image_mean: [0.5, 0.5, 0.5], image_std: [0.5, 0.5, 0.5] }));
    const { tower, projector } = await describeModel(at);
    expect(tower).toMatchObject({ kind: "siglip", imageSize: 64, patchSize: 8 });
    expect(projector).toMatchObject({ type: "gemma3", known: true, width: 20, tokens: { least: 16 } });
  });

  it("names an unknown projector and goes on", async () => {
    const file = await written({ "general.architecture": text("clip"), "clip.has_vision_encoder": { type: "bool", value: true }, "clip.projector_type": text("pixtral"), "clip.vision.image_size": u32(1024), "clip.vision.block_count": u32(24) });
    const { tower, projector } = await describeModel(file);
    expect(tower).toMatchObject({ kind: "unknown", imageSize: 1024, blocks: 24 });
    expect(projector).toMatchObject({ type: "pixtral", known: false });
    expect(projector?.width).toBeUndefined();
  });

  it("says both widths of a pair that does not fit", async () => {
    const decoder = path.join(folder, "wide.gguf");
    await writeTinyModel(decoder, { width: 64 });
    const { pair } = await describeModel({ mmproj: mini.mmproj, decoder });
    expect(pair).toEqual({ fits: false, projectorWidth: 192, decoderWidth: 64, problem: "the projector gives rows of width 192, the decoder reads width 64" });
  });

  it("believes no number that cannot be meant", async () => {
    const file = await written({
      "general.architecture": text("qwen3"),
      "qwen3.block_count": u32(4_000_000_000),
      "qwen3.embedding_length": u32(0),
      "qwen3.attention.head_count": { type: "array", of: "string", value: ["many"] },
      "qwen3.context_length": { type: "float32", value: Number.NaN },
      "tokenizer.ggml.tokens": text("none"),
    });
    const { decoder, memory } = await describeModel(file);
    expect(decoder).toMatchObject({ architecture: "qwen3", parameters: 2, chatTemplate: false });
    for (const field of ["blocks", "width", "heads", "trainedContext", "vocabulary"] as const) expect(decoder?.[field], field).toBeUndefined();
    expect(memory.cache).toEqual([]);
  });
});

describe("the cache of a decoder", () => {
  const gemma3 = (more: readonly [string, number | readonly (number | boolean)[]][]): Map<string, string | number | readonly (number | boolean)[]> =>
    new Map<string, string | number | readonly (number | boolean)[]>([["general.architecture", "gemma3"], ["gemma3.block_count", 12], ["gemma3.embedding_length", 64], ["gemma3.attention.head_count", 4], ...more]);

  it("is as llama.cpp makes it, and what windows alone would need beside it", () => {
    // Two of twelve blocks see everything; heads of 64 / 4 for keys and for values, 2 bytes each.
    const perBlock = 4 * (16 + 16) * 2;
    expect(kvCacheSizes(gemma3([["gemma3.attention.sliding_window", 512]]), [4096])).toEqual([{ context: 4096, bytes: 12 * perBlock * 4096, windowBytes: (2 * 4096 + 10 * 1024) * perBlock }]);
    expect(kvCacheSizes(gemma3([]), [100])).toEqual([{ context: 100, bytes: 12 * perBlock * 256 }]);
  });

  it("counts each block by its own heads and nothing for blocks without", () => {
    const heads = [1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    expect(kvCacheSizes(gemma3([["gemma3.attention.head_count_kv", heads], ["gemma3.attention.key_length", 10], ["gemma3.attention.value_length", 6]]), [256])).toEqual([{ context: 256, bytes: 3 * 16 * 2 * 256 }]);
    expect(kvCacheSizes(gemma3([["gemma3.attention.head_count_kv", [1, 2]]]), [256])).toBeUndefined();
  });
});

describe("a wrong pair", () => {
  it("is refused with both widths, deepstack's levels counted", async () => {
    const decoder = await written({ "general.architecture": text("qwen3vl"), "qwen3vl.embedding_length": u32(64), "qwen3vl.n_deepstack_layers": u32(3) });
    await expect(checkModelPair({ mmproj: "x.gguf", decoder }, { width: 256 })).resolves.toBeUndefined();
    await expect(checkModelPair({ mmproj: "x.gguf", decoder }, { width: 64 })).rejects.toThrow(/rows of width 64 \(x\.gguf\), but the decoder reads width 256 \(.*\.gguf\); take both from one model/);
    expect(decoderInputWidth(new Map([["general.architecture", "a"], ["a.embedding_length", 0.5]] as [string, string | number][]))).toBeUndefined();
  });

  it("that is swapped, or one file twice, is told so", async () => {
    await expect(findModelFiles({ mmproj: mini.decoder, decoder: mini.mmproj })).rejects.toThrow(/mmproj and decoder are swapped: .*mini-qwen3\.gguf is a language model and .*mmproj-mini\.gguf is an mmproj/);
    const link = path.join(folder, "link.gguf");
    await symlink(mini.decoder, link);
    await expect(findModelFiles({ mmproj: link, decoder: mini.decoder })).rejects.toThrow(/mmproj and decoder are the same file/);
    expect(await findModelFiles(mini)).toEqual({ name: "mini-qwen3", ...mini });
  });

  it.each<[string, Readonly<Record<string, GgufValue>>, RegExp]>([
    ["an adapter", { "general.architecture": text("qwen3"), "general.type": text("adapter") }, /expected a decoder, got a LoRA adapter/],
    ["an importance matrix", { "general.type": text("imatrix") }, /got an importance matrix/],
    ["another kind", { "general.architecture": text("qwen3"), "general.type": text("dataset") }, /got a GGUF of general.type "dataset"/],
    ["a part of a split model", { "general.architecture": text("qwen3"), "split.count": u32(3), "split.no": u32(1) }, /got part 2 of a model that is split into 3 files; join them with llama\.cpp's llama-gguf-split --merge/],
  ])("in which the decoder is %s", async (_, metadata, message) => {
    const decoder = await written(metadata);
    await expect(checkModelFiles({ mmproj: mini.mmproj, decoder })).rejects.toThrow(message);
    await expect(checkModelPair({ mmproj: mini.mmproj, decoder }, { width: 192 })).rejects.toThrow(message);
    await expect(describeModel(decoder)).rejects.toThrow(/got /);
  });

  it("in which the decoder is a vocabulary, or the mmproj hears and does not see", async () => {
    const vocabulary = await written({ "general.architecture": text("qwen3") }, []);
    await expect(checkModelFiles({ mmproj: mini.mmproj, decoder: vocabulary })).rejects.toThrow(/expected a decoder, got a vocabulary without weights/);
    const sound = await written({ "general.architecture": text("clip"), "clip.has_audio_encoder": { type: "bool", value: true } });
    await expect(checkModelFiles({ mmproj: sound, decoder: mini.decoder })).rejects.toThrow(/expected an mmproj, got an mmproj for sound alone, without a vision encoder/);
  });

  it("in whose folder the decoder is split", async () => {
    const at = path.join(folder, "split");
    await mkdir(at);
    await symlink(mini.mmproj, path.join(at, "mmproj.gguf"));
    for (const part of [1, 2]) await symlink(mini.decoder, path.join(at, `big-0000${part}-of-00002.gguf`));
    await expect(findModelFiles(at)).rejects.toThrow(/expected one decoder \.gguf, found a model split into 2 files \(big-00001-of-00002\.gguf\); join them with llama\.cpp's llama-gguf-split --merge/);
  });
});

describe("sightline inspect", () => {
  it("prints aligned columns for people", async () => {
    const { code, stdout, stderr } = await run(["inspect", "mini"]);
    expect([code, stderr]).toEqual([0, ""]);
    const lines = stdout.split("\n");
    for (const line of [
      "  pictures       128 x 128 px, patches of 16 x 16",
      "  tokens         64 an image",
      "  decoder        fits: both have width 192",
      "  context        1,024 tokens",
      "  image encoder  16.2 MiB in float32",
      "  1,024 tokens   3.0 MiB of keys and values",
    ]) expect(lines).toContain(line);
    expect(Math.max(...lines.map(({ length }) => length))).toBeLessThan(80);
  });

  it("prints one object for programs", async () => {
    const { code, stdout } = await run(["inspect", "mini", "--json"]);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual(JSON.parse(JSON.stringify(await describeModel("mini"))));
  });

  it("fails with one line for what is no model", async () => {
    const { code, stdout, stderr } = await run(["inspect", path.join(folder, "nowhere")]);
    expect([code, stdout, stderr.trim().split("\n").length]).toEqual([1, "", 1]);
    expect(stderr).toContain('nowhere" is neither "mini" nor a directory');
  });

  it("lets no control sequence of a file reach the terminal", async () => {
    const file = await written({ "general.architecture": text("qwen3"), "general.name": text("a\u001b[31m\nb") });
    expect(modelReport(await describeModel(file))).toContain("qwen3: a [31m b");
  });

  it("reads only the header of a file of many gigabytes", async () => {
    const file = path.join(folder, "huge.gguf");
    const small = await written({ "general.architecture": text("qwen3") }, [{ name: "a", dtype: "F32", shape: [2], data: new Float32Array(2) }]);
    const { readFile, truncate } = await import("node:fs/promises");
    const bytes = await readFile(small);
    // The one tensor's single dimension: 2 becomes 3 * 2^30 elements, 12 GiB of a sparse file.
    const at = bytes.lastIndexOf(Buffer.from([1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0]));
    bytes.writeBigUInt64LE(3n * 2n ** 30n, at + 4);
    await writeFile(file, bytes);
    await truncate(file, bytes.length + 12 * 2 ** 30);
    const started = performance.now();
    const { decoder, memory } = await describeModel(file);
    expect(performance.now() - started).toBeLessThan(1000);
    expect([decoder?.parameters, memory.decoderBytes]).toEqual([3 * 2 ** 30, 12 * 2 ** 30]);
  });
});

it("a GGUF that was cut is refused by name", async () => {
  const { readFile } = await import("node:fs/promises");
  const file = path.join(folder, "cut.gguf");
  await writeFile(file, (await readFile(mini.decoder)).subarray(0, 100_000));
  await expect(openWeights(file)).rejects.toThrow(/cut\.gguf/);
  await expect(describeModel(file)).rejects.toThrow(/cut\.gguf/);
});
