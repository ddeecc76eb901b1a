import { readdir } from "node:fs/promises";
import { totalmem } from "node:os";
import path from "node:path";
import { expanded, hubCacheFolder } from "./cache/cache-folder.js";
import { cachedSnapshot, type CachedSnapshot } from "./cache/snapshot.js";
import { matchesGlob } from "./glob.js";
import { knownModels } from "./manifest/known-models.js";
import type { ModelManifest } from "./manifest/model-manifest.js";
import { downloadBytes, modelMemory, type ModelMemory } from "./manifest/model-memory.js";
import { freeBytes } from "./pull/disk.js";

/** A known model in one quantisation, and how it suits this machine. */
export interface ListedModel {
  readonly manifest: ModelManifest;
  /** undefined where there is no choice. */
  readonly quantisation: string | undefined;
  /** All of its files, downloaded or not. */
  readonly download: { readonly bytes: number; readonly estimated: boolean };
  readonly memory: ModelMemory;
  /** Quantisations that are in the cache, "" where there is no choice; empty when it is not there. */
  readonly downloaded: readonly string[];
  /** Whether memory and, for what is not downloaded, disk suffice. */
  readonly fits: boolean;
  /** Why it does not. */
  readonly problem?: "memory" | "disk";
}

/** Known models, what the machine has, and what else is in the cache. */
export interface ModelList {
  readonly machine: { readonly memoryBytes: number; readonly cacheDirectory: string; readonly freeBytes: number | undefined };
  readonly models: readonly ListedModel[];
  /** Repositories in the cache that no manifest is about. */
  readonly others: readonly string[];
}

/** Where `listModels` looks, and for which machine. */
export interface ListModelsOptions {
  readonly cacheDirectory?: string;
  /** Instead of this machine's. */
  readonly memoryBytes?: number;
  /** Instead of what the cache's disk has free. */
  readonly freeBytes?: number;
}

/** Known models beside what this machine has: memory (a container's limit counts), free disk, and what is in the cache. */
export async function listModels(options: ListModelsOptions = {}): Promise<ModelList> {
  const cache = options.cacheDirectory === undefined ? hubCacheFolder() : expanded(options.cacheDirectory);
  const memoryBytes = options.memoryBytes ?? machineMemory();
  const free = options.freeBytes ?? (await freeBytes(await nearestFolder(cache)));
  const manifests = await knownModels();
  const repositories = new Set(manifests.flatMap(({ files }) => files.map(({ repository }) => repository)));
  const models = await Promise.all(
    manifests.map(async (manifest): Promise<ListedModel> => {
      const downloaded = await downloadedForms(manifest, cache);
      const quantisation = downloaded[0] || (manifest.defaultQuantisation ?? undefined);
      const download = downloadBytes(manifest, quantisation);
      const memory = modelMemory(manifest, quantisation);
      const problem = memory.totalBytes > memoryBytes ? "memory" : downloaded.length === 0 && free !== undefined && download.bytes > free ? "disk" : undefined;
      return { manifest, quantisation, download, memory, downloaded, fits: problem === undefined, ...(problem ? { problem } : {}) };
    }),
  );
  const folders = await readdir(cache).catch(() => []);
  const others = folders.flatMap((name) => (name.startsWith("models--") ? [name.slice("models--".length).replaceAll("--", "/")] : [])).filter((name) => !repositories.has(name));
  return { machine: { memoryBytes, cacheDirectory: cache, freeBytes: free }, models, others: others.sort() };
}

/** Total memory; a container's limit where that is less. */
function machineMemory(): number {
  const limit = process.constrainedMemory();
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem();
}

async function downloadedForms(manifest: ModelManifest, cache: string): Promise<readonly string[]> {
  const { files, kind } = manifest;
  if (kind === "embedded") return [""];
  const snapshots = new Map<string, CachedSnapshot | undefined>();
  for (const { repository, revision } of files) {
    const key = `${repository}@${revision ?? "main"}`;
    if (!snapshots.has(key)) snapshots.set(key, await cachedSnapshot(cache, repository, revision ?? "main"));
  }
  const isThere = ({ repository, revision, path: glob }: ModelManifest["files"][number]): boolean =>
    snapshots.get(`${repository}@${revision ?? "main"}`)?.files.some((name) => matchesGlob(glob, name)) === true;
  const decoders = files.filter(({ part }) => part === "decoder");
  if (!files.filter(({ part }) => part !== "decoder").every(isThere)) return [];
  return decoders.length === 0 ? [""] : decoders.filter(isThere).map(({ quantisation }) => quantisation ?? "");
}

/** The folder, or the nearest above it that is there: a cache may still have to be made. */
async function nearestFolder(folder: string): Promise<string> {
  for (let at = folder; ; at = path.dirname(at)) {
    if ((await freeBytes(at)) !== undefined || at === path.dirname(at)) return at;
  }
}
