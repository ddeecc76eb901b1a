import { stat } from "node:fs/promises";
import path from "node:path";
import { HubError } from "../hub-error.js";
import { findManifest } from "../manifest/known-models.js";
import type { ManifestFile, ModelManifest } from "../manifest/model-manifest.js";
import { isRepositoryName, parseModelReference } from "../model-reference.js";
import { hasQuantisation, isVisionFile, manifestFiles } from "../pull/choose-files.js";
import { isGlob, matchesGlob } from "../glob.js";
import { hubCacheFolder, repositoryFolder } from "./cache-folder.js";
import { readPullRecord } from "./pull-record.js";
import { cachedSnapshot, snapshotFile, type CachedSnapshot } from "./snapshot.js";

/** The files of a vision-language model in the cache. */
export interface CachedPair {
  readonly name: string;
  /** An mmproj GGUF, or the folder of a Hugging Face checkpoint. */
  readonly mmproj: string;
  /** A decoder's GGUF. */
  readonly decoder: string;
}

/** Whether a text names a model rather than a path: a manifest's name, or `owner/repository`. */
export async function isModelName(text: string): Promise<boolean> {
  let name: string;
  try {
    ({ name } = parseModelReference(text));
  } catch {
    return false;
  }
  return isRepositoryName(name) || (await findManifest(name)) !== undefined;
}

/**
 * The folder of a checkpoint in the Hugging Face cache, which Python's tools fill too.
 * @param model a manifest's name or `owner/repository`, with `@revision` where it is not `main`
 * @throws HubError `not-downloaded` with the command that pulls it; `cache-damaged`
 */
export async function cachedCheckpoint(model: string, cache: string = hubCacheFolder()): Promise<string> {
  const { name, revision } = parseModelReference(model);
  const manifest = await findManifest(name);
  const file = manifest?.files.find(({ part }) => part === "checkpoint");
  // A hub name is what it says, also of a pair, whose manifest keeps it elsewhere; of a tower it is known in any case.
  const repository = isRepositoryName(name) && manifest?.kind !== "tower" ? name : file?.repository;
  if (repository === undefined) throw new HubError("unknown-model", `${name} is not a checkpoint`);
  const snapshot = await cachedSnapshot(cache, repository, revision ?? file?.revision ?? "main");
  if (!snapshot) throw new HubError("not-downloaded", absent(model, cache));
  // What was pulled once belongs to it; what Python's tools brought is known by being there.
  const recorded = (await readPullRecord(repositoryFolder(cache, repository))).commits[snapshot.commit]?.files ?? {};
  await checkUnchanged(cache, snapshot, [...new Set([...snapshot.files, ...Object.keys(recorded)])], model);
  return snapshot.directory;
}

/**
 * A vision-language model in the Hugging Face cache. Of several quantisations that are there, `:QUANT` picks; without it the
 * manifest's default, else the only one.
 * @throws HubError `not-downloaded` with the command that pulls it; `unknown-model` when there is more than one to choose from
 */
export async function cachedPair(model: string, cache: string = hubCacheFolder()): Promise<CachedPair> {
  const { name, revision, choice } = parseModelReference(model);
  const manifest = await findManifest(name);
  if (isRepositoryName(name)) {
    const snapshot = await cachedSnapshot(cache, name, revision);
    // The hub name of the original model stands for the GGUF of the manifest, unless it has one itself.
    if (!manifest || snapshot?.files.some((file) => /\.gguf$/i.test(file))) return pairOfRepository(model, name, choice, snapshot, cache);
  }
  if (!manifest) throw new HubError("unknown-model", `there is no model ${name}`);
  return pairOfManifest(model, manifest, revision, choice, cache);
}

async function pairOfManifest(model: string, manifest: ModelManifest, revision: string | undefined, choice: string | undefined, cache: string): Promise<CachedPair> {
  const decoders = manifest.files.filter(({ part }) => part === "decoder");
  const find = async (file: ManifestFile): Promise<{ readonly snapshot: CachedSnapshot; readonly path: string } | undefined> => {
    const snapshot = await cachedSnapshot(cache, file.repository, revision ?? file.revision ?? "main");
    const path = snapshot?.files.find((name) => matchesGlob(file.path, name));
    return snapshot && path !== undefined ? { snapshot, path } : undefined;
  };
  const missing = (): HubError => new HubError("not-downloaded", absent(model, cache));
  if (decoders.length === 0) {
    const from = manifest.files[0] as ManifestFile;
    throw new HubError("not-downloaded", `no GGUF of the decoder of ${manifest.name} is known; convert it from ${from.repository} with llama.cpp, pull the rest (sightline pull ${manifest.name}), and give --mmproj FOLDER --decoder FILE`);
  }
  let wanted = manifestFiles(manifest, choice);
  if (choice === undefined && !(await find(wanted.find(({ part }) => part === "decoder") as ManifestFile))) {
    // Another quantisation than the default may have been pulled.
    const there: ManifestFile[] = [];
    for (const file of decoders) if (await find(file)) there.push(file);
    if (there.length > 1) throw new HubError("unknown-model", `several decoders of ${manifest.name} are in the cache; choose ${there.map(({ quantisation }) => `${manifest.name}:${quantisation}`).join(" or ")}`);
    if (there.length === 0) throw missing();
    wanted = manifest.files.filter((file) => file.part !== "decoder" || file === there[0]);
  }
  const [decoder, vision] = [wanted.find(({ part }) => part === "decoder"), wanted.find(({ part }) => part !== "decoder")];
  const [speaking, seeing] = [decoder && (await find(decoder)), vision && (await find(vision))];
  if (!speaking || !seeing) throw missing();
  for (const { snapshot, path: file } of [speaking, seeing]) await checkUnchanged(cache, snapshot, [file], model);
  return { name: manifest.name, decoder: fileIn(cache, speaking.snapshot, speaking.path), mmproj: vision?.part === "checkpoint" ? seeing.snapshot.directory : fileIn(cache, seeing.snapshot, seeing.path) };
}

async function pairOfRepository(model: string, repository: string, choice: string | undefined, snapshot: CachedSnapshot | undefined, cache: string): Promise<CachedPair> {
  if (!snapshot) throw new HubError("not-downloaded", absent(model, cache));
  const ggufs = snapshot.files.filter((name) => name.toLowerCase().endsWith(".gguf"));
  const fits = (name: string): boolean => choice === undefined || (isGlob(choice) ? matchesGlob(choice, name) : choice === name || hasQuantisation(name, choice));
  const decoders = ggufs.filter((name) => !isVisionFile(name) && fits(name));
  const [decoder] = decoders;
  const split = decoders.find((name) => /-\d{5}-of-\d{5}\.gguf$/i.test(name));
  if (split !== undefined) throw new HubError("unknown-model", `${split} of ${repository} is one part of a split model; join the parts with llama-gguf-split --merge and give the file with --decoder, or pull a quantisation that is whole`);
  const more = `fetch what is missing with: sightline pull ${model}`;
  if (decoders.length > 1) throw new HubError("unknown-model", `several decoders of ${repository} are in the cache; choose one: ${decoders.map((name) => `${repository}:${name}`).join(" or ")}`);
  if (decoder === undefined) throw new HubError("not-downloaded", `${cache} has no decoder's .gguf of ${model}; ${more}`);
  const visions = ggufs.filter(isVisionFile);
  const checkpoint = visions.length === 0 && snapshot.files.includes("config.json");
  const vision = visions.find((name) => hasQuantisation(name, "F16")) ?? visions[0];
  if (vision === undefined && !checkpoint) throw new HubError("not-downloaded", `${cache} has no mmproj*.gguf of ${repository}; ${more}`);
  await checkUnchanged(cache, snapshot, [decoder, ...(vision === undefined ? [] : [vision])], model);
  return { name: path.posix.basename(repository), decoder: fileIn(cache, snapshot, decoder), mmproj: vision === undefined ? snapshot.directory : fileIn(cache, snapshot, vision) };
}

function absent(model: string, cache: string): string {
  return `${model} is neither a folder here nor in the Hugging Face cache (${cache}); fetch it with: sightline pull ${model}`;
}

function fileIn(cache: string, { repository, commit }: CachedSnapshot, file: string): string {
  return snapshotFile(repositoryFolder(cache, repository), commit, file);
}

/** Refuses files that were removed or cut since they were pulled: native code would read on. Looks at sizes only. */
async function checkUnchanged(cache: string, { repository, commit, files: there }: CachedSnapshot, files: readonly string[], model: string): Promise<void> {
  const folder = repositoryFolder(cache, repository);
  const { blobs, commits } = await readPullRecord(folder);
  const again = `pull it again: sightline pull ${model}`;
  for (const name of files) {
    if (!there.includes(name)) throw new HubError("cache-damaged", `${name} of ${repository} is gone from the cache (${cache}); ${again}`);
    const blob = commits[commit]?.files[name];
    const known = blob === undefined ? undefined : blobs[blob];
    const file = snapshotFile(folder, commit, name);
    const { size } = await stat(file);
    if (known && size !== known.bytes) throw new HubError("cache-damaged", `${file} has ${size} bytes instead of ${known.bytes}; ${again}`);
  }
}
