import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { llamaV040 } from "../src/abi/llama-v0.4.0.js";
import { locateLlama } from "../src/library-location.js";
import { checkDefaults } from "../src/native-bindings.js";

const wanted = { release: "v0.4.0", packageVersion: "3.21.1" };
let root: string;
beforeEach(async () => {
  root = await mkdtemp(path.join(tmpdir(), "sightline-location-"));
});
afterEach(() => rm(root, { recursive: true }));

/** Lays out a package's bins as node-llama-cpp does. */
async function install(folder: string, release: string, files: readonly string[]): Promise<void> {
  const directory = path.join(root, folder, "bins", folder);
  await mkdir(directory, { recursive: true });
  await writeFile(path.join(directory, "_nlcBuildMetadata.json"), JSON.stringify({ buildOptions: { llamaCpp: { release } } }));
  for (const file of files) await writeFile(path.join(directory, file), "");
}

const installed = (names: readonly string[]) => (packageName: string): Promise<string | undefined> => {
  const folder = packageName.replace("@node-llama-cpp/", "");
  return Promise.resolve(names.includes(folder) ? path.join(root, folder, "bins") : undefined);
};

describe("locateLlama", () => {
  it("finds libraries whose names carry a GPU, a release and a hash, and is not misled by their neighbours", async () => {
    await install("linux-x64-cuda", "v0.4.0", [
      "libggml-base.so",
      "libggml-cpu-x64.so",
      "libggml-cuda.so",
      "libggml.cuda.v0.4.0.3f2a.so",
      "libllama-common.so",
      "libllama.cuda.v0.4.0.3f2a.so",
    ]);
    const [files] = await locateLlama(wanted, "linux-x64", installed(["linux-x64-cuda"]));
    expect(path.basename(files?.ggmlBase ?? "")).toBe("libggml-base.so");
    expect(path.basename(files?.ggml ?? "")).toBe("libggml.cuda.v0.4.0.3f2a.so");
    expect(path.basename(files?.llama ?? "")).toBe("libllama.cuda.v0.4.0.3f2a.so");
  });

  it("finds Windows and macOS names", async () => {
    await install("win-x64", "v0.4.0", ["ggml-base.dll", "ggml-cpu-x64.dll", "ggml.v0.4.0.dll", "llama-common.dll", "llama.v0.4.0.dll"]);
    const [windows] = await locateLlama(wanted, "win32-x64", installed(["win-x64"]));
    expect(path.basename(windows?.llama ?? "")).toBe("llama.v0.4.0.dll");
    await install("mac-arm64-metal", "v0.4.0", ["libggml-base.dylib", "libggml.v0.4.0.dylib", "libllama.v0.4.0.dylib"]);
    const [mac] = await locateLlama(wanted, "darwin-arm64", installed(["mac-arm64-metal"]));
    expect(path.basename(mac?.llama ?? "")).toBe("libllama.v0.4.0.dylib");
  });

  it("puts a build with a GPU first", async () => {
    const names = ["libggml-base.so", "libggml.v0.4.0.so", "libllama.v0.4.0.so"];
    await install("linux-x64", "v0.4.0", names);
    await install("linux-x64-vulkan", "v0.4.0", names);
    const found = await locateLlama(wanted, "linux-x64", installed(["linux-x64", "linux-x64-vulkan"]));
    expect(found.map((files) => files.packageName)).toEqual(["@node-llama-cpp/linux-x64-vulkan", "@node-llama-cpp/linux-x64"]);
  });

  it("says which package to install when another release is there", async () => {
    await install("linux-x64", "v0.5.0", ["libggml-base.so", "libggml.so", "libllama.so"]);
    await expect(locateLlama(wanted, "linux-x64", installed(["linux-x64"]))).rejects.toMatchObject({
      code: "library-mismatch",
      message: expect.stringMatching(/expected llama\.cpp v0\.4\.0, got @node-llama-cpp\/linux-x64 with v0\.5\.0; run: npm install @node-llama-cpp\/linux-x64@3\.21\.1/),
    });
  });

  it("says which package to install when none is there", async () => {
    await expect(locateLlama(wanted, "linux-arm64", installed([]))).rejects.toMatchObject({
      code: "library-missing",
      message: expect.stringContaining("npm install @node-llama-cpp/linux-arm64@3.21.1"),
    });
  });

  it("names the platforms it knows on one that it does not", async () => {
    await expect(locateLlama(wanted, "sunos-x64", installed([]))).rejects.toMatchObject({
      code: "unsupported-platform",
      message: expect.stringContaining("linux-x64"),
    });
  });

  it("finds the installed build for this machine", async () => {
    const found = await locateLlama(llamaV040);
    expect(found.length).toBeGreaterThan(0);
  });
});

describe("checkDefaults", () => {
  it("passes equal values and stops at the first other one, naming field, values and remedy", () => {
    expect(() => checkDefaults("f", { a: 1, b: null, c: 5 }, { a: 1, b: null }, "@node-llama-cpp/linux-x64")).not.toThrow();
    expect(() => checkDefaults("f", { a: 1, b: 7 }, { a: 1, b: 512 }, "@node-llama-cpp/linux-x64")).toThrow(
      /f of @node-llama-cpp\/linux-x64: expected b = 512, got 7.*npm install @node-llama-cpp\/linux-x64@3\.21\.1/,
    );
  });
});
