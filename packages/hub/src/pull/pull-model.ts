import { setMaxListeners } from "node:events";
import { mkdir } from "node:fs/promises";
import { hubCacheFolder, expanded, repositoryFolder, type Environment } from "../cache/cache-folder.js";
import { addToPullRecord, readPullRecord, type BlobRecord } from "../cache/pull-record.js";
import { lockRepository, type RepositoryLock } from "../cache/repository-lock.js";
import { cachedCommit, linkToBlob, snapshotFile, snapshotFolder, writeRef } from "../cache/snapshot.js";
import { HubError } from "../hub-error.js";
import { checkRevision, isRepositoryName } from "../model-reference.js";
import { HubConnection } from "../remote/hub-connection.js";
import { readHubSettings } from "../remote/hub-settings.js";
import { readRepository, resolveFile, type ListedFile, type RemoteRepository } from "../remote/repository.js";
import { PassingFailure, type RetryOptions } from "../remote/retries.js";
import { partialBytes, removeOldPartials } from "../transfer/partial-file.js";
import { transferFiles, type WantedFile } from "../transfer/transfer-files.js";
import { lookAtBlob, removeBlob } from "./cached-blobs.js";
import { checkFreeSpace, diskFailure } from "./disk.js";
import { offlineModel } from "./offline-model.js";
import { filesOfDataset } from "./choose-files.js";
import { planPull, type RepositoryPlan } from "./pull-plan.js";
import type { PulledFile, PulledModel, PullEvent } from "./pull-event.js";
import { progressTeller } from "./transfer-rate.js";
import type { ModelPart } from "../manifest/model-manifest.js";

/** Settings of `pullModel`. */
export interface PullOptions {
  readonly signal?: AbortSignal;
  /** Called as files begin, grow and end. */
  readonly onProgress?: (event: PullEvent) => void;
  /** Branch, tag or commit; the manifest's, or "main", when left out. */
  readonly revision?: string;
  /** Instead of the standard Hugging Face cache. */
  readonly cacheDirectory?: string;
  /** Asks nobody: says what the cache has, or that it lacks something. `HF_HUB_OFFLINE` when left out. */
  readonly offline?: boolean;
  /** Instead of `HF_TOKEN` and the token's file. */
  readonly token?: string;
  /** Instead of `HF_ENDPOINT`. */
  readonly endpoint?: string;
  /** Connections at once; 8 when left out. */
  readonly connections?: number;
  /** Bytes of a range; 16 MiB when left out. */
  readonly pieceBytes?: number;
  /** Tries in a row that bring nothing, before it is given up; 6 when left out. */
  readonly attempts?: number;
  /** Pause before the second try, doubled each time; 500 ms when left out. */
  readonly retryDelayMs?: number;
  /** Variables such as `HF_TOKEN`; the process's own when left out. */
  readonly environment?: Environment;
}

/** A file of the model, where it is to lie, and what the cache has of it. */
interface PlannedFile extends ListedFile {
  readonly part: ModelPart | undefined;
  readonly remote: RemoteRepository;
  readonly folder: string;
}

/**
 * Brings a model into the Hugging Face cache, which Python's tools share: files by ranges over several connections, each
 * compared with its hash. What an interrupted pull brought is kept and used. Two pulls of one repository into one cache share
 * one download.
 * @param model `NAME[@REVISION][:QUANT]`: a manifest's name, or any `owner/repository[:GLOB]`
 * @throws HubError, whose message is one line with what to do; the signal's reason when it aborts. The cache stays usable:
 *   files appear whole and checked, and a revision moves only when all of its files are there
 */
export async function pullModel(model: string, options: PullOptions = {}): Promise<PulledModel> {
  if (options.revision !== undefined) checkRevision(options.revision);
  return pullPlans(model, await planPull(model, options.revision), options);
}

/**
 * Brings files of a data set into the same cache, in the same way.
 * @param dataset `owner/name`
 * @param include globs over its files; all of them when left out
 * @throws HubError as `pullModel`; `bad-reference` for a name that is none; `not-found` when a glob fits no file
 */
export async function pullDataset(dataset: string, { include = ["**"], ...options }: PullOptions & { readonly include?: readonly string[] } = {}): Promise<PulledModel> {
  if (!isRepositoryName(dataset)) throw new HubError("bad-reference", `pullDataset: expected owner/name of a data set, got ${JSON.stringify(dataset.slice(0, 200))}`);
  const { revision = "main" } = options;
  checkRevision(revision);
  return pullPlans(`datasets/${dataset}`, [{ repository: `datasets/${dataset}`, revision, choose: (names) => filesOfDataset(names, include, dataset) }], options);
}

async function pullPlans(model: string, plans: readonly RepositoryPlan[], options: PullOptions): Promise<PulledModel> {
  const { environment = process.env, onProgress: tell = () => {} } = options;
  // One that every connection may listen to, without a warning.
  const signal = AbortSignal.any(options.signal ? [options.signal] : []);
  setMaxListeners(0, signal);
  const cache = options.cacheDirectory === undefined ? hubCacheFolder(environment) : expanded(options.cacheDirectory);
  const settings = await readHubSettings(environment, options);
  if (options.offline ?? settings.offline) return offlineModel(model, plans, cache, tell, signal);
  const { attempts = 6, retryDelayMs: firstDelayMs = 500 } = options;
  const retries: RetryOptions = { attempts, firstDelayMs, signal, onRetry: (retry) => tell({ type: "retry", ...retry }) };
  await using connection = new HubConnection(settings);
  const planned: PlannedFile[] = [];
  for (const { repository, revision, choose } of plans) {
    const folder = repositoryFolder(cache, repository);
    const remote = await readRepository(connection, repository, revision, { ...retries, attemptsWithoutAnswer: 3 }).catch(async (error: unknown) => {
      throw await withoutHub(error, folder, revision, model);
    });
    const listed = new Map(remote.files.map((file) => [file.path, file]));
    for (const { path, part } of choose([...listed.keys()])) planned.push({ ...(listed.get(path) as ListedFile), part, remote, folder });
  }
  const locks: RepositoryLock[] = [];
  try {
    await mkdir(cache, { recursive: true });
    // Always in the same order, so that no two pulls wait for each other.
    for (const repository of [...new Set(plans.map((plan) => plan.repository))].sort()) {
      locks.push(await lockRepository(cache, repository, { signal, onWait: (holder) => tell({ type: "waiting", repository, pid: holder.pid, host: holder.host }) }));
    }
    return await bring(model, planned, { cache, connection, retries, tell, signal, locks, options });
  } catch (error) {
    throw diskFailure(error, cache);
  } finally {
    for (const lock of locks) await lock.release();
  }
}

/** Without a network, says what can be had without one. */
async function withoutHub(error: unknown, folder: string, revision: string, model: string): Promise<unknown> {
  if (!(error instanceof HubError && error.code === "unreachable" && error.cause instanceof PassingFailure && error.cause.noAnswer)) return error;
  const commit = await cachedCommit(folder, revision);
  const here = commit === undefined ? "" : `; commit ${commit.slice(0, 12)} is here from an earlier pull: sightline pull ${model} --offline takes that`;
  return new HubError("unreachable", `${error.cause.message}; check the network, HF_ENDPOINT and HTTPS_PROXY${here}`, { cause: error });
}

interface Bringing {
  readonly cache: string;
  readonly connection: HubConnection;
  readonly retries: RetryOptions;
  readonly tell: (event: PullEvent) => void;
  readonly signal: AbortSignal;
  readonly locks: readonly RepositoryLock[];
  readonly options: PullOptions;
}

async function bring(model: string, planned: readonly PlannedFile[], { cache, connection, retries, tell, signal, locks, options }: Bringing): Promise<PulledModel> {
  const { connections = 8, pieceBytes = 2 ** 24 } = options;
  const remotes = [...new Set(planned.map(({ remote }) => remote))];
  const records = new Map<string, BlobRecord>();
  const missing: PlannedFile[] = [];
  for (const file of planned) {
    const key = blobKey(file);
    if (records.has(key) || missing.some((other) => blobKey(other) === key)) continue;
    const known = (await readPullRecord(file.folder)).blobs[file.blob];
    const { record, damage } = await lookAtBlob(file.folder, file, known, () => tell({ type: "check", path: file.path, bytes: file.bytes }), signal);
    if (record) {
      records.set(key, record);
      continue;
    }
    if (damage !== undefined) tell({ type: "repair", path: file.path, reason: damage });
    missing.push(file);
  }
  const missingBytes = sum(missing.map(({ bytes }) => bytes));
  const have = await Promise.all(missing.map((file) => partialBytes(file.folder, file, pieceBytes)));
  await checkFreeSpace(cache, missingBytes - sum(have), model);
  const wanted: WantedFile[] = [];
  for (const group of inGroups(missing, connections)) {
    wanted.push(...(await Promise.all(group.map(async (file) => ({ folder: file.folder, source: await resolveFile(connection, file.remote, file, retries) })))));
  }
  tell({
    type: "resolved",
    repositories: await Promise.all(remotes.map(async ({ repository, revision, commit }) => ({ repository, revision, commit, ...(await previousCommit(cache, repository, revision, commit)) }))),
    files: planned.length,
    totalBytes: sum(planned.map(({ bytes }) => bytes)),
    missingBytes,
  });
  for (const file of missing) await removeBlob(file.folder, file.blob);
  const teller = progressTeller(missingBytes, tell);
  if (wanted.length > 0) {
    await transferFiles(wanted, {
      connection,
      retries,
      connections,
      pieceBytes,
      onBytes: teller,
      onCheck: ({ source }) => tell({ type: "check", path: source.path, bytes: source.bytes }),
      onWrongBytes: ({ source }) => tell({ type: "repair", path: source.path, reason: "the bytes that came are not those that its hash names" }),
      checkLock: async () => {
        for (const lock of locks) await lock.check();
      },
      onBlob: async ({ source, folder }, record) => {
        records.set(blobKey({ folder, blob: source.blob }), record);
        await addToPullRecord(folder, { blobs: { [source.blob]: record } });
        tell({ type: "file", path: source.path, bytes: source.bytes });
      },
    });
  }
  return publish(model, planned, remotes, records, new Set(missing.map(blobKey)));
}

/** Links the files into their snapshots, and moves the revisions there: only now, that everything is there. */
async function publish(model: string, planned: readonly PlannedFile[], remotes: readonly RemoteRepository[], records: ReadonlyMap<string, BlobRecord>, brought: ReadonlySet<string>): Promise<PulledModel> {
  const repositories: PulledModel["repositories"][number][] = [];
  for (const remote of remotes) {
    const own = planned.filter((file) => file.remote === remote);
    const folder = own[0]?.folder as string;
    for (const { path, blob } of own) await linkToBlob(folder, remote.commit, path, blob);
    await writeRef(folder, remote.revision, remote.commit);
    const earlier = (await readPullRecord(folder)).commits[remote.commit]?.files ?? {};
    await addToPullRecord(folder, {
      blobs: Object.fromEntries(own.map((file) => [file.blob, records.get(blobKey(file)) as BlobRecord])),
      commits: { [remote.commit]: { revision: remote.revision, pulledAt: new Date().toISOString(), files: { ...earlier, ...Object.fromEntries(own.map(({ path, blob }) => [path, blob])) } } },
    });
    await removeOldPartials(folder);
    repositories.push({ repository: remote.repository, revision: remote.revision, commit: remote.commit, directory: snapshotFolder(folder, remote.commit) });
  }
  const files = planned.map((file): PulledFile => {
    const { sha256 } = records.get(blobKey(file)) as BlobRecord;
    const { path, bytes, part, remote, folder } = file;
    return { repository: remote.repository, path, ...(part ? { part } : {}), file: snapshotFile(folder, remote.commit, path), bytes, ...(sha256 === undefined ? {} : { sha256 }), downloaded: brought.has(blobKey(file)) };
  });
  return { model, directory: repositories[0]?.directory as string, repositories, files, downloadedBytes: sum(files.filter(({ downloaded }) => downloaded).map(({ bytes }) => bytes)) };
}

function blobKey({ folder, blob }: { readonly folder: string; readonly blob: string }): string {
  return `${folder} ${blob}`;
}

async function previousCommit(cache: string, repository: string, revision: string, commit: string): Promise<{ readonly previousCommit?: string }> {
  const before = await cachedCommit(repositoryFolder(cache, repository), revision);
  return before === undefined || before === commit ? {} : { previousCommit: before };
}

function inGroups<T>(items: readonly T[], size: number): readonly (readonly T[])[] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, group) => items.slice(group * size, (group + 1) * size));
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
