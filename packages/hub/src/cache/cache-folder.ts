import { homedir } from "node:os";
import path from "node:path";

/** Environment variables, for those who want others than the process's own. */
export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The folder where Hugging Face's tools keep models, as huggingface_hub finds it: `HF_HUB_CACHE`, `HUGGINGFACE_HUB_CACHE`,
 * `HF_HOME/hub`, `XDG_CACHE_HOME/huggingface/hub`, `~/.cache/huggingface/hub`. Variables that are empty count as not set.
 */
export function hubCacheFolder(environment: Environment = process.env): string {
  const cache = environment["HF_HUB_CACHE"] || environment["HUGGINGFACE_HUB_CACHE"];
  return cache ? expanded(cache) : path.join(hubHome(environment), "hub");
}

/** `HF_HOME`, where the token lies too. */
export function hubHome(environment: Environment = process.env): string {
  const { HF_HOME: home, XDG_CACHE_HOME: caches } = environment;
  return expanded(home || path.join(caches || path.join(homedir(), ".cache"), "huggingface"));
}

/**
 * The folder of one repository in a cache, which holds `blobs`, `refs` and `snapshots`.
 * @param repository `owner/name` of a model, `datasets/owner/name` of a data set
 */
export function repositoryFolder(cache: string, repository: string): string {
  return path.join(cache, repositoryFolderName(repository));
}

/** What Hugging Face's tools call that folder. */
export function repositoryFolderName(repository: string): string {
  return `${isDataset(repository) ? "" : "models--"}${repository.replaceAll("/", "--")}`;
}

/** Whether a repository's name is that of a data set. */
export function isDataset(repository: string): boolean {
  return repository.startsWith("datasets/");
}

export function expanded(folder: string): string {
  return path.resolve(folder === "~" || folder.startsWith("~/") ? path.join(homedir(), folder.slice(1)) : folder);
}
