import { readFile, stat } from "node:fs/promises";
import { homedir } from "node:os";
import path from "node:path";
import { ConfigError } from "./config-error.js";

/** `organisation/model`, as the hub names models. */
const hubName = /^[\w-][\w.-]*\/[\w-][\w.-]*$/;

/**
 * Where a checkpoint lies: a path as it is; a hub name that is no path, in the Hugging Face cache that Python's tools
 * fill too (`HF_HUB_CACHE`, `HF_HOME`, or `~/.cache/huggingface/hub`), at the revision that `main` had there.
 * @throws ConfigError naming both places and the command that downloads, when a hub name is in neither
 */
export async function checkpointDirectory(nameOrPath: string): Promise<string> {
  if (!hubName.test(nameOrPath) || (await exists(nameOrPath))) return nameOrPath;
  const cache = hubCache();
  const folder = path.join(cache, `models--${nameOrPath.replace("/", "--")}`);
  const revision = await readFile(path.join(folder, "refs", "main"), "utf8").catch(() => "");
  const snapshot = path.join(folder, "snapshots", revision.trim());
  if (/^[0-9a-f]{40}$/.test(revision.trim()) && (await exists(snapshot))) return snapshot;
  throw new ConfigError("checkpointDirectory", nameOrPath, `is no folder here, nor a model in the Hugging Face cache (${cache}); fetch it with: hf download ${nameOrPath}`);
}

function hubCache(): string {
  const { HF_HUB_CACHE: hub, HF_HOME: home, XDG_CACHE_HOME: caches } = process.env;
  return hub || path.join(home || path.join(caches || path.join(homedir(), ".cache"), "huggingface"), "hub");
}

async function exists(at: string): Promise<boolean> {
  return stat(at).then(
    () => true,
    () => false,
  );
}
