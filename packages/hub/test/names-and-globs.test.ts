import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { HubError } from "../src/index.js";
import { matchesGlob } from "../src/glob.js";
import { nearestNames } from "../src/manifest/nearest-names.js";
import { isRepositoryName, parseModelReference } from "../src/model-reference.js";
import { filesOfRepository, hasQuantisation } from "../src/pull/choose-files.js";
import { byteText } from "../src/byte-text.js";
import { hubCacheFolder } from "../src/cached.js";
import { retryAfterMs } from "../src/remote/retries.js";

describe("a model's name", () => {
  it("has a revision after @ and a choice after :", () => {
    expect(parseModelReference("gemma-3-4b-it")).toEqual({ name: "gemma-3-4b-it" });
    expect(parseModelReference("a/b@refs/pr/1:sub/*.gguf")).toEqual({ name: "a/b", revision: "refs/pr/1", choice: "sub/*.gguf" });
    expect(parseModelReference("a/b:Q4_K_M")).toEqual({ name: "a/b", choice: "Q4_K_M" });
  });

  it("is read or refused, whatever it is; its revision never leaves refs", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          const { name, revision } = parseModelReference(text);
          expect(name).not.toBe("");
          if (revision !== undefined) expect(revision.split("/").every((part) => part !== "" && part !== "." && part !== "..")).toBe(true);
        } catch (error) {
          expect(error).toBeInstanceOf(HubError);
        }
      }),
    );
  });

  it("is a repository's only in the form that the hub gives them", () => {
    for (const good of ["google/siglip2-so400m-patch14-384", "timm/eva02_base_patch16_clip_224.merged2b_s8b_b131k", "a/b"]) expect(isRepositoryName(good)).toBe(true);
    for (const bad of ["a", "a/b/c", "../b", "a/..", "a/.b", "a--b/c", "/a", "a/", "a b/c", "C:\\a"]) expect(isRepositoryName(bad), bad).toBe(false);
  });

  it("that is no name suggests those that are near, nearest first", () => {
    const known = ["gemma-3-4b-it", "gemma-3-12b-it", "qwen3-vl-2b", "siglip2-base-patch16-224"];
    expect(nearestNames("gemma3-4b", known)[0]).toBe("gemma-3-4b-it");
    expect(nearestNames("Qwen3_VL_2B", known)).toEqual(["qwen3-vl-2b"]);
    expect(nearestNames("siglip2-base-patch16-244", known)).toEqual(["siglip2-base-patch16-224"]);
    expect(nearestNames("llama", known)).toEqual([]);
    expect(nearestNames("--", known)).toEqual([]);
  });
});

describe("a glob", () => {
  it("stays within a folder with *, and crosses folders with **", () => {
    const cases: readonly (readonly [string, string, boolean])[] = [
      ["*.gguf", "a-Q4.gguf", true],
      ["*.GGUF", "a.gguf", true],
      ["*.gguf", "sub/a.gguf", false],
      ["**/*.gguf", "sub/deep/a.gguf", true],
      ["**/*.gguf", "a.gguf", true],
      ["sub/**", "sub/a/b", true],
      ["model?.bin", "model1.bin", true],
      ["model?.bin", "model12.bin", false],
      ["a.b", "axb", false],
      ["(a)+[b]", "(a)+[b]", true],
    ];
    for (const [glob, file, fits] of cases) expect(matchesGlob(glob, file), `${glob} ${file}`).toBe(fits);
  });

  it("without wildcards fits the very name, whatever is in it", () => {
    const plain = fc.string().filter((text) => !/[*?\n\r\u2028\u2029]/.test(text));
    fc.assert(
      fc.property(plain, (text) => {
        expect(matchesGlob(text, text)).toBe(true);
      }),
    );
  });
});

describe("a choice of files", () => {
  it("knows a quantisation as a word of its own", () => {
    expect(hasQuantisation("mmproj-BF16.gguf", "F16")).toBe(false);
    expect(hasQuantisation("mmproj-model-f16.gguf", "F16")).toBe(true);
    expect(hasQuantisation("x.Q4_K_M-00001-of-00002.gguf", "q4_k_m")).toBe(true);
    expect(hasQuantisation("x-Q4_K_M.gguf", "Q4_K")).toBe(false);
    expect(hasQuantisation("Q8_0/x-00001-of-00002.gguf", "Q8_0")).toBe(true);
  });

  it("takes all parts of a split decoder, an exact mmproj, and one folder of several", () => {
    const names = ["x-Q4_K_M-00001-of-00002.gguf", "x-Q4_K_M-00002-of-00002.gguf", "old/x-Q4_K_M.gguf", "mmproj-x-Q8_0.gguf", "mmproj-x-F16.gguf", "mmproj-x-BF16.gguf"];
    expect(filesOfRepository(names, undefined, "a/b").map(({ path }) => path)).toEqual(["x-Q4_K_M-00001-of-00002.gguf", "x-Q4_K_M-00002-of-00002.gguf", "mmproj-x-F16.gguf"]);
  });

  it("takes ONNX files where there are no safetensors", () => {
    expect(filesOfRepository(["config.json", "onnx/vision_model.onnx", "onnx/vision_model_q4.onnx"], undefined, "a/b").map(({ path }) => path)).toEqual(["config.json", "onnx/vision_model.onnx"]);
    expect(() => filesOfRepository(["pytorch_model.bin"], undefined, "a/b")).toThrow("a/b has no GGUF, safetensors or ONNX files; it has pytorch_model.bin; name those that you want: a/b:GLOB");
    expect(() => filesOfRepository([], undefined, "a/b")).toThrow("it is empty");
  });
});

describe("small things", () => {
  it("bytes read as the hub shows them", () => {
    expect([0, 999, 1000, 2_489_757_856, 123_456_789, 1e17].map(byteText)).toEqual(["0 bytes", "999 bytes", "1.00 kB", "2.49 GB", "123 MB", "100 PB"]);
  });

  it("Retry-After is seconds or a date", () => {
    expect(retryAfterMs("7")).toBe(7000);
    expect(retryAfterMs("Thu, 01 Jan 2026 00:00:10 GMT", Date.UTC(2026, 0, 1))).toBe(10_000);
    expect(retryAfterMs("Thu, 01 Jan 2026 00:00:10 GMT", Date.UTC(2027, 0, 1))).toBe(0);
    expect(retryAfterMs("soon")).toBeUndefined();
    expect(retryAfterMs(undefined)).toBeUndefined();
  });

  it("the cache lies where huggingface_hub has it", () => {
    expect(hubCacheFolder({ HF_HUB_CACHE: "/a" })).toBe("/a");
    expect(hubCacheFolder({ HUGGINGFACE_HUB_CACHE: "/a", HF_HUB_CACHE: "" })).toBe("/a");
    expect(hubCacheFolder({ HF_HOME: "/a" })).toBe("/a/hub");
    expect(hubCacheFolder({ XDG_CACHE_HOME: "/a" })).toBe("/a/huggingface/hub");
    expect(hubCacheFolder({ HF_HOME: "~/a" })).toMatch(/^\/.*\/a\/hub$/);
    expect(hubCacheFolder({})).toMatch(/\/\.cache\/huggingface\/hub$/);
  });
});
