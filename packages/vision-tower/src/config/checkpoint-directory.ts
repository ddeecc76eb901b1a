import { stat } from "node:fs/promises";
import { cachedCheckpoint, HubError, hubCacheFolder, isModelName, suggestion } from "@sightline/hub/cached";
import { ConfigError } from "./config-error.js";

/**
 * Where a checkpoint lies: a path as it is; a hub name (`organisation/model`, also with `@revision`) or a known model's name
 * that is no path, in the Hugging Face cache that Python's tools fill too (`HF_HUB_CACHE`, `HF_HOME`, or
 * `~/.cache/huggingface/hub`), at the revision that `main` had there.
 * @throws ConfigError naming both places and the command that downloads, when a name is in neither, or what is damaged
 */
export async function checkpointDirectory(nameOrPath: string): Promise<string> {
  if (await exists(nameOrPath)) return nameOrPath;
  if (!(await isModelName(nameOrPath))) {
    const near = /[/\\.]/.test(nameOrPath) ? "" : await suggestion(nameOrPath);
    if (near === "") return nameOrPath;
    throw new ConfigError("checkpointDirectory", nameOrPath, `is no folder here, nor a known model${near}`);
  }
  try {
    return await cachedCheckpoint(nameOrPath);
  } catch (cause) {
    if (!(cause instanceof HubError)) throw cause;
    if (cause.code === "not-downloaded") {
      throw new ConfigError("checkpointDirectory", nameOrPath, `is no folder here, nor a model in the Hugging Face cache (${hubCacheFolder()}); fetch it with: sightline pull ${nameOrPath}`, { cause });
    }
    throw new ConfigError("checkpointDirectory", nameOrPath, cause.message, { cause });
  }
}

async function exists(at: string): Promise<boolean> {
  return stat(at).then(
    () => true,
    () => false,
  );
}
