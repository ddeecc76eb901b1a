import { readFile, readdir } from "node:fs/promises";
import path from "node:path";
import { DecoderError } from "./decoder-error.js";

/** Where one build of llama.cpp lies. */
export interface LlamaFiles {
  /** The npm package it comes from. */
  readonly packageName: string;
  /** The folder of all its libraries; the backends are loaded from here. */
  readonly directory: string;
  readonly ggmlBase: string;
  readonly ggml: string;
  readonly llama: string;
}

/** `process.platform`-`process.arch` -> packages of node-llama-cpp, those with a GPU first: who installed one wants it used. */
const packagesOfPlatform: Readonly<Record<string, readonly string[]>> = {
  "linux-x64": ["linux-x64-cuda", "linux-x64-vulkan", "linux-x64"],
  "linux-arm64": ["linux-arm64"],
  "darwin-arm64": ["mac-arm64-metal"],
  "darwin-x64": ["mac-x64"],
  "win32-x64": ["win-x64-cuda", "win-x64-vulkan", "win-x64"],
  "win32-arm64": ["win-arm64"],
};

/**
 * Finds the installed builds of llama.cpp for this machine, best first.
 * @throws DecoderError `unsupported-platform`, `library-missing`, or `library-mismatch` when only builds of another release are installed
 */
export async function locateLlama(
  wanted: { readonly release: string; readonly packageVersion: string },
  platform: string = `${process.platform}-${process.arch}`,
  binsDirectoryOf: (packageName: string, packageVersion: string) => Promise<string | undefined> = installedBinsDirectory,
): Promise<LlamaFiles[]> {
  const folders = packagesOfPlatform[platform];
  if (folders === undefined) {
    throw new DecoderError(
      "unsupported-platform",
      `loadDecoder: no prebuilt llama.cpp for ${platform}; expected one of ${Object.keys(packagesOfPlatform).join(", ")}`,
    );
  }
  const plainPackage = `@node-llama-cpp/${folders.at(-1)}`;
  const install = `npm install ${plainPackage}@${wanted.packageVersion}`;
  const found: LlamaFiles[] = [];
  const rejected: string[] = [];
  for (const folder of folders) {
    const packageName = `@node-llama-cpp/${folder}`;
    const bins = await binsDirectoryOf(packageName, wanted.packageVersion);
    if (bins === undefined) continue;
    const files = await inspectPackage(packageName, bins, wanted.release);
    if (typeof files === "string") rejected.push(files);
    else found.push(files);
  }
  if (found.length > 0) return found;
  if (rejected.length > 0) {
    throw new DecoderError("library-mismatch", `loadDecoder: expected llama.cpp ${wanted.release}, got ${rejected.join("; ")}; run: ${install}`);
  }
  throw new DecoderError("library-missing", `loadDecoder: llama.cpp is not installed: expected the package ${plainPackage}; run: ${install}`);
}

async function installedBinsDirectory(packageName: string, packageVersion: string): Promise<string | undefined> {
  try {
    const module: { getBinsDir?: () => { binsDir: string } } = await import(packageName);
    return module.getBinsDir?.().binsDir;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ERR_MODULE_NOT_FOUND") return undefined;
    throw new DecoderError("library-missing", `loadDecoder: ${packageName} is installed but broken; install it again: npm install --force ${packageName}@${packageVersion}`, { cause: error });
  }
}

/** The files of the package's one build, or in words why it will not do. */
async function inspectPackage(packageName: string, bins: string, release: string): Promise<LlamaFiles | string> {
  const folders = (await readdir(bins, { withFileTypes: true }).catch(() => [])).filter((entry) => entry.isDirectory());
  let reason = `${packageName} without a build`;
  for (const folder of folders) {
    const directory = path.join(bins, folder.name);
    const installed = await releaseOf(path.join(directory, "_nlcBuildMetadata.json"));
    if (installed !== release) {
      reason = `${packageName} with ${installed ?? "no build metadata"}`;
      continue;
    }
    // A GPU, the release or a hash may stand between name and extension; ggml-cpu and llama-common are other libraries.
    const names = await readdir(directory);
    const library = (stem: string): string | undefined => {
      const pattern = new RegExp(`^(lib)?${stem}(\\..+)?\\.(so|dylib|dll)$`);
      const name = names.find((candidate) => pattern.test(candidate));
      return name === undefined ? undefined : path.join(directory, name);
    };
    const [ggmlBase, ggml, llama] = [library("ggml-base"), library("ggml"), library("llama")];
    if (ggmlBase !== undefined && ggml !== undefined && llama !== undefined) {
      return { packageName, directory, ggmlBase, ggml, llama };
    }
    reason = `${packageName} without its libraries ggml-base, ggml and llama`;
  }
  return reason;
}

async function releaseOf(metadataFile: string): Promise<string | undefined> {
  try {
    const metadata: { buildOptions?: { llamaCpp?: { release?: string } } } = JSON.parse(await readFile(metadataFile, "utf8"));
    return metadata.buildOptions?.llamaCpp?.release;
  } catch {
    return undefined;
  }
}
