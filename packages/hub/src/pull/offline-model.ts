import { stat } from "node:fs/promises";
import { repositoryFolder } from "../cache/cache-folder.js";
import { readPullRecord } from "../cache/pull-record.js";
import { cachedSnapshot, snapshotFile } from "../cache/snapshot.js";
import { HubError } from "../hub-error.js";
import { lookAtBlob } from "./cached-blobs.js";
import type { PulledFile, PulledModel, PullEvent } from "./pull-event.js";
import type { RepositoryPlan } from "./pull-plan.js";

/**
 * A model as the cache has it, without asking anybody. Files whose hash is on record are compared with it where somebody
 * wrote to them since.
 * @throws HubError `offline` when something is missing; `cache-damaged`
 */
export async function offlineModel(model: string, plans: readonly RepositoryPlan[], cache: string, tell: (event: PullEvent) => void, signal: AbortSignal): Promise<PulledModel> {
  const repositories: PulledModel["repositories"][number][] = [];
  const files: PulledFile[] = [];
  for (const { repository, revision, choose } of plans) {
    const snapshot = await cachedSnapshot(cache, repository, revision);
    const missing = (what: string, cause?: unknown): HubError => new HubError("offline", `offline, and ${cache} ${what}; pull it once with a network: sightline pull ${model}`, { cause });
    if (!snapshot) throw missing(`has no ${repository}@${revision}`);
    const { commit, directory } = snapshot;
    const folder = repositoryFolder(cache, repository);
    const record = await readPullRecord(folder);
    const recorded = record.commits[commit]?.files ?? {};
    // Names that were pulled once and are gone count too, so that they are missed.
    const names = [...new Set([...snapshot.files, ...Object.keys(recorded)])].sort();
    let chosen;
    try {
      chosen = choose(names);
    } catch (error) {
      throw missing(`lacks a file: ${(error as Error).message}`, error);
    }
    for (const { path, part } of chosen) {
      if (!snapshot.files.includes(path)) throw missing(`lacks ${path} of ${repository}, which was there once`);
      const file = snapshotFile(folder, commit, path);
      const { size: bytes } = await stat(file);
      const blob = recorded[path];
      const known = blob === undefined ? undefined : record.blobs[blob];
      let sha256 = known?.sha256;
      if (blob !== undefined && known) {
        const { record: looked, damage } = await lookAtBlob(folder, { blob, bytes: known.bytes }, known, () => tell({ type: "check", path, bytes }), signal);
        if (damage !== undefined) throw new HubError("cache-damaged", `${file} is damaged: ${damage}; pull it again with a network: sightline pull ${model}`);
        sha256 = looked?.sha256;
      }
      files.push({ repository, path, ...(part ? { part } : {}), file, bytes, ...(sha256 === undefined ? {} : { sha256 }), downloaded: false });
    }
    repositories.push({ repository, revision, commit, directory });
  }
  return { model, directory: repositories[0]?.directory as string, repositories, files, downloadedBytes: 0 };
}
