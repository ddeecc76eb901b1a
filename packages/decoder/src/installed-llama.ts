import { readdir } from "node:fs/promises";
import { llamaV040 as abi } from "./abi/llama-v0.4.0.js";
import { locateLlama } from "./library-location.js";
import { loadLlama } from "./native-bindings.js";

/** The llama.cpp that decoders of this process run on. */
export interface InstalledLlama {
  readonly release: string;
  /** The npm packages that hold a build for this machine, best first. */
  readonly packages: readonly string[];
  /** Kinds of backend that come with them: "cpu", "cuda", "vulkan", "metal". */
  readonly backends: readonly string[];
  /** Whether layers can be put on a GPU here. */
  readonly gpu: boolean;
}

/**
 * Loads llama.cpp and says what it is.
 * @throws DecoderError `unsupported-platform`, `library-missing` or `library-mismatch`, with the command that installs it
 */
export async function installedLlama(): Promise<InstalledLlama> {
  const builds = await locateLlama(abi);
  const llama = await loadLlama();
  const names = (await Promise.all(builds.map(({ directory }) => readdir(directory)))).flat();
  const kinds = names.flatMap((name) => /^(?:lib)?ggml-([a-z]+)/.exec(name)?.[1] ?? []).filter((kind) => kind !== "base");
  return { release: abi.release, packages: builds.map(({ packageName }) => packageName), backends: [...new Set(kinds)].sort(), gpu: llama.supports_gpu_offload() };
}
