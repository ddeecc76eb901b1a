import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { cachedCheckpoint, cachedPair, isModelName, listModels } from "../src/cached.js";

const commit = "0123456789abcdef0123456789abcdef01234567";
let cache: string;
beforeEach(async () => {
  cache = await mkdtemp(path.join(tmpdir(), "sightline-cache-"));
});
afterEach(() => rm(cache, { recursive: true }));

/** A repository as Python's tools leave it, where links are not to be had: files lie in the snapshot themselves. */
async function put(repository: string, files: readonly string[], revision = "main"): Promise<string> {
  const folder = path.join(cache, `models--${repository.replace("/", "--")}`);
  const snapshot = path.join(folder, "snapshots", commit);
  await mkdir(path.join(folder, "refs"), { recursive: true });
  await writeFile(path.join(folder, "refs", revision), commit);
  for (const file of files) {
    await mkdir(path.dirname(path.join(snapshot, file)), { recursive: true });
    await writeFile(path.join(snapshot, file), file);
  }
  return snapshot;
}

describe("a pair in the cache", () => {
  it("is a repository's decoder and its exact mmproj", async () => {
    const at = await put("a/b", ["x-Q8_0.gguf", "mmproj-x-Q8_0.gguf", "mmproj-x-f16.gguf", "README.md"]);
    expect(await cachedPair("a/b", cache)).toEqual({ name: "b", decoder: path.join(at, "x-Q8_0.gguf"), mmproj: path.join(at, "mmproj-x-f16.gguf") });
    expect(await cachedPair(`a/b@${commit}:q8_0`, cache)).toMatchObject({ decoder: path.join(at, "x-Q8_0.gguf") });
    await expect(cachedPair("a/b:Q4_K_M", cache)).rejects.toThrow("has no decoder's .gguf of a/b:Q4_K_M; fetch what is missing with: sightline pull a/b:Q4_K_M");
    await expect(cachedPair("a/b@v2", cache)).rejects.toThrow("a/b@v2 is neither a folder here nor in the Hugging Face cache");
  });

  it("asks which, where there are several", async () => {
    const at = await put("a/b", ["x-Q8_0.gguf", "x-Q4_K_M.gguf", "mmproj.gguf"]);
    await expect(cachedPair("a/b", cache)).rejects.toThrow("several decoders of a/b are in the cache; choose one: a/b:x-Q4_K_M.gguf or a/b:x-Q8_0.gguf");
    expect(await cachedPair("a/b:x-Q4_K_M.gguf", cache)).toMatchObject({ decoder: path.join(at, "x-Q4_K_M.gguf") });
  });

  it("may see with a checkpoint, and says what is missing", async () => {
    const at = await put("a/b", ["x-Q8_0.gguf", "config.json", "model.safetensors"]);
    expect(await cachedPair("a/b", cache)).toMatchObject({ mmproj: at });
    await put("a/c", ["x-Q8_0.gguf"]);
    await expect(cachedPair("a/c", cache)).rejects.toThrow("has no mmproj*.gguf of a/c; fetch what is missing with: sightline pull a/c");
    await put("a/d", ["x-Q4_K_M-00001-of-00002.gguf", "x-Q4_K_M-00002-of-00002.gguf", "mmproj.gguf"]);
    await expect(cachedPair("a/d", cache)).rejects.toThrow("is one part of a split model; join the parts with llama-gguf-split --merge");
  });

  it("of a manifest is the usual quantisation, else the only one", async () => {
    const repository = "Qwen/Qwen3-VL-2B-Instruct-GGUF";
    const at = await put(repository, ["Qwen3VL-2B-Instruct-Q8_0.gguf", "mmproj-Qwen3VL-2B-Instruct-F16.gguf"]);
    expect(await cachedPair("qwen3-vl-2b", cache)).toEqual({ name: "qwen3-vl-2b", decoder: path.join(at, "Qwen3VL-2B-Instruct-Q8_0.gguf"), mmproj: path.join(at, "mmproj-Qwen3VL-2B-Instruct-F16.gguf") });
    await put(repository, ["Qwen3VL-2B-Instruct-F16.gguf"]);
    await expect(cachedPair("qwen3-vl-2b", cache)).rejects.toThrow("several decoders of qwen3-vl-2b are in the cache; choose qwen3-vl-2b:Q8_0 or qwen3-vl-2b:F16");
    await put(repository, ["Qwen3VL-2B-Instruct-Q4_K_M.gguf"]);
    expect((await cachedPair("Qwen/Qwen3-VL-2B-Instruct", cache)).decoder).toContain("Q4_K_M");
    // A checkpoint that Python's tools fetched under the original name has no decoder for llama.cpp.
    await put("Qwen/Qwen3-VL-2B-Instruct", ["config.json", "model.safetensors"]);
    expect((await cachedPair("Qwen/Qwen3-VL-2B-Instruct", cache)).decoder).toContain("Q4_K_M");
    await expect(cachedPair("llava-onevision-0.5b", cache)).rejects.toThrow("no GGUF of the decoder of llava-onevision-0.5b is known; convert it from llava-hf/llava-onevision-qwen2-0.5b-ov-hf with llama.cpp");
  });
});

describe("a checkpoint in the cache", () => {
  it("is found by a manifest's name, the hub's in any case, and at a revision", async () => {
    const at = await put("google/siglip2-base-patch16-224", ["config.json"]);
    for (const name of ["siglip2-base-patch16-224", "google/siglip2-base-patch16-224", "Google/SigLIP2-base-patch16-224"]) expect(await cachedCheckpoint(name, cache)).toBe(at);
    const other = await put("a/b", ["config.json"], "v2");
    expect(await cachedCheckpoint("a/b@v2", cache)).toBe(other);
    await expect(cachedCheckpoint("a/b", cache)).rejects.toThrow("a/b is neither a folder here nor in the Hugging Face cache");
  });

  it("has a name that is told from a path", async () => {
    for (const name of ["gemma-3-4b-it", "gemma-3-4b-it:Q8_0", "a/b", "a/b@v1:*.gguf"]) expect(await isModelName(name), name).toBe(true);
    for (const path of ["./a", "/a/b", "a/b/c", "nothing", "../a", ""]) expect(await isModelName(path), path).toBe(false);
  });
});

describe("the list", () => {
  const named = async (name: string, options: Parameters<typeof listModels>[0]): Promise<Awaited<ReturnType<typeof listModels>>["models"][number] | undefined> =>
    (await listModels({ cacheDirectory: cache, ...options })).models.find(({ manifest }) => manifest.name === name);

  it("says what fits memory and disk", async () => {
    expect(await named("gemma-3-27b-it", { memoryBytes: 16e9, freeBytes: 1e12 })).toMatchObject({ fits: false, problem: "memory" });
    expect(await named("gemma-3-27b-it", { memoryBytes: 64e9, freeBytes: 1e9 })).toMatchObject({ fits: false, problem: "disk" });
    expect(await named("gemma-3-27b-it", { memoryBytes: 64e9, freeBytes: 1e12 })).toMatchObject({ fits: true, downloaded: [] });
    expect(await named("mini", { memoryBytes: 1e9, freeBytes: 0 })).toMatchObject({ fits: true, downloaded: [""] });
  });

  it("says what is here, half a model not being one, and what else is", async () => {
    await put("LiquidAI/LFM2-VL-450M-GGUF", ["LFM2-VL-450M-Q4_0.gguf"]);
    expect(await named("lfm2-vl-450m", {})).toMatchObject({ downloaded: [] });
    await put("LiquidAI/LFM2-VL-450M-GGUF", ["mmproj-LFM2-VL-450M-F16.gguf"]);
    expect(await named("lfm2-vl-450m", { freeBytes: 0 })).toMatchObject({ downloaded: ["Q4_0"], quantisation: "Q4_0", fits: true });
    await put("someone/else", ["config.json"]);
    expect((await listModels({ cacheDirectory: cache })).others).toEqual(["someone/else"]);
    expect((await listModels({ cacheDirectory: path.join(cache, "not", "there") })).machine.freeBytes).toBeGreaterThan(0);
  });
});
