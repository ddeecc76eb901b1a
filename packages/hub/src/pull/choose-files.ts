import { isGlob, matchesGlob } from "../glob.js";
import { HubError } from "../hub-error.js";
import type { ManifestFile, ModelManifest, ModelPart } from "../manifest/model-manifest.js";

/** A file of a repository's listing and what it is for. */
export interface ChosenFile {
  readonly path: string;
  readonly part: ModelPart | undefined;
}

/** What a choice is made from: names, on the hub or in the cache. */
export type FileNames = readonly string[];

/** The quantisation of a decoder that is taken when nobody says which. */
const preferredQuantisations = ["Q4_K_M", "Q4_K_XL", "Q5_K_M", "Q4_K_S", "Q4_0", "Q6_K", "Q8_0", "F16", "BF16", "F32"];
/** Of an mmproj: small beside its decoder, so exact rather than small. */
const preferredVision = ["F16", "BF16", "Q8_0", "F32"];
/** What a checkpoint is made of; not pickles, which can run code, nor other frameworks' weights. */
const checkpointFiles = ["*.json", "*.safetensors", "*.jinja", "*.txt", "tokenizer.model", "spiece.model"];
const onnxFiles = ["*.json", "*.jinja", "onnx/model.onnx", "onnx/model.onnx_data*", "onnx/vision_model.onnx", "onnx/text_model.onnx"];

/** The files of a manifest that one quantisation needs. */
export function manifestFiles(manifest: ModelManifest, choice: string | undefined): readonly ManifestFile[] {
  const wanted = choice ?? manifest.defaultQuantisation ?? undefined;
  const decoders = manifest.files.filter(({ part }) => part === "decoder");
  const decoder = decoders.find(({ quantisation }) => sameQuantisation(quantisation, wanted));
  if (decoders.length > 0 && !decoder) {
    throw new HubError("unknown-model", `${manifest.name} has no ${wanted}; choose ${decoders.map(({ quantisation }) => `${manifest.name}:${quantisation}`).join(", ")}`);
  }
  if (decoders.length === 0 && choice !== undefined) throw new HubError("unknown-model", `${manifest.name} comes in one form; leave out ":${choice}"`);
  return manifest.files.filter((file) => file.part !== "decoder" || file === decoder);
}

/**
 * The files of one repository that a manifest's entries mean.
 * @throws HubError `not-found` when an entry fits no file
 */
export function filesOfManifest(names: FileNames, wanted: readonly ManifestFile[], repository: string): readonly ChosenFile[] {
  return wanted.flatMap(({ part, path }) => {
    const found = names.filter((name) => matchesGlob(path, name));
    if (found.length === 0) throw new HubError("not-found", `${repository} has no file ${path}; it may have been renamed: see what is there, and pull it as ${repository}:FILE`);
    return found.map((name) => ({ path: name, part }));
  });
}

/**
 * The files of a repository that has no manifest: those that a glob or a name fits; one quantisation of a GGUF repository
 * with its mmproj; else a checkpoint's.
 * @throws HubError `not-found` naming what there is to choose from
 */
export function filesOfRepository(names: FileNames, choice: string | undefined, repository: string): readonly ChosenFile[] {
  const ggufs = names.filter((name) => name.toLowerCase().endsWith(".gguf"));
  const vision = ggufs.filter(isVisionFile);
  const decoders = ggufs.filter((name) => !isVisionFile(name));
  if (choice !== undefined && (isGlob(choice) || names.includes(choice))) {
    const found = names.filter((name) => matchesGlob(choice, name));
    if (found.length === 0) throw new HubError("not-found", `${repository} has no file that fits ${choice}${some(names)}`);
    return found.map((path) => ({ path, part: ggufPart(path) }));
  }
  if (choice !== undefined || decoders.length > 0) {
    const decoder = choice === undefined ? preferred(decoders, preferredQuantisations) : decoders.filter((name) => hasQuantisation(name, choice));
    if (decoder.length === 0) throw new HubError("not-found", `${repository} has no ${choice}${some(decoders.length > 0 ? decoders : names)}`);
    return [...decoder.map((path) => ({ path, part: "decoder" as const })), ...preferred(vision, preferredVision).map((path) => ({ path, part: "vision" as const }))];
  }
  if (vision.length > 0) return preferred(vision, preferredVision).map((path) => ({ path, part: "vision" as const }));
  const patterns = names.some((name) => /^[^/]+\.safetensors$/.test(name)) ? checkpointFiles : onnxFiles;
  const found = names.filter((name) => patterns.some((pattern) => matchesGlob(pattern, name)));
  if (!found.some((name) => /\.(safetensors|onnx)$/.test(name))) throw new HubError("not-found", `${repository} has no GGUF, safetensors or ONNX files${some(names)}; name those that you want: ${repository}:GLOB`);
  return found.map((path) => ({ path, part: "checkpoint" as const }));
}

/**
 * The files of a data set that globs mean, each once.
 * @throws HubError `not-found` when one of them fits no file
 */
export function filesOfDataset(names: FileNames, include: readonly string[], dataset: string): readonly ChosenFile[] {
  const found = include.flatMap((pattern) => {
    const fitting = names.filter((name) => matchesGlob(pattern, name));
    if (fitting.length === 0) throw new HubError("not-found", `${dataset} has no file that fits ${pattern}${some(names)}`);
    return fitting;
  });
  return [...new Set(found)].map((path) => ({ path, part: undefined }));
}

export function isVisionFile(name: string): boolean {
  return /mmproj/i.test(name);
}

function ggufPart(name: string): ModelPart | undefined {
  if (!name.toLowerCase().endsWith(".gguf")) return undefined;
  return isVisionFile(name) ? "vision" : "decoder";
}

/** Whether a file's name holds a quantisation as a word of its own: `x-Q4_K_M.gguf`, `x.Q4_K_M-00001-of-00002.gguf`. */
export function hasQuantisation(name: string, quantisation: string): boolean {
  const escaped = quantisation.replace(/[^\w-]/g, "\\$&");
  return new RegExp(`(^|[-_./])${escaped}([-./]|$)`, "i").test(name);
}

/** Those of the first preference that any has; all parts of a split file are of one. Whatever there is, where none is known. */
function preferred(names: FileNames, preferences: readonly string[]): FileNames {
  for (const preference of preferences) {
    const found = names.filter((name) => hasQuantisation(name, preference));
    const [first] = found;
    // Several folders may hold the same; a model is one of them.
    if (first !== undefined) return found.filter((name) => folderOf(name) === folderOf(first));
  }
  return names.slice(0, 1);
}

function folderOf(name: string): string {
  return name.slice(0, name.lastIndexOf("/") + 1);
}

function sameQuantisation(one: string | null, other: string | undefined): boolean {
  return one !== null && other !== undefined && one.toLowerCase() === other.toLowerCase();
}

function some(names: FileNames): string {
  if (names.length === 0) return "; it is empty";
  const shown = names.slice(0, 6).join(", ");
  return `; it has ${shown}${names.length > 6 ? ` and ${names.length - 6} more` : ""}`;
}
