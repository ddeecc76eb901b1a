import { readdir, stat } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { cachedPair, HubError, isModelName, suggestion } from "@sightline/hub/cached";
import { SightlineError } from "../sightline-error.js";
import { mergeRemedy, splitParts } from "./gguf-kind.js";
import { checkModelFiles } from "./model-pair.js";

/** The files of a vision-language model. */
export interface ModelFiles {
  /** What the model is called in results. */
  readonly name: string;
  /** GGUF of the vision tower and the projector, or the Hugging Face directory of the model that they belong to. */
  readonly mmproj: string;
  /** GGUF of the language decoder. */
  readonly decoder: string;
}

/**
 * A model by the paths of its two files; `mmproj` may be the Hugging Face directory as well.
 */
export type ModelPaths = Omit<ModelFiles, "name">;

/**
 * Finds a model's files: `mini`, the one that comes with the package, or a directory that holds the decoder's GGUF file and
 * one `mmproj*.gguf`, or in its place the Hugging Face checkpoint (config.json and safetensors) of a vision-language model;
 * or the name of a model in the Hugging Face cache, `NAME[@REVISION][:QUANT]` as `sightline pull` takes it. Nothing is
 * downloaded. Two paths are taken as they are, once their headers say that each is what it is given for.
 * @throws SightlineError `model-not-found` naming what was looked for and where, with the command that pulls it where a
 *   known model is not there; `model-mismatch` for two paths that are swapped, the same, or of other kinds; WeightsError when
 *   one of them is damaged
 */
export async function findModelFiles(model: string | ModelPaths): Promise<ModelFiles> {
  if (typeof model !== "string") {
    await checkModelFiles(model);
    return { name: path.basename(model.decoder, ".gguf"), mmproj: model.mmproj, decoder: model.decoder };
  }
  const directory = model === "mini" ? miniDirectory() : path.resolve(model);
  const stats = await stat(directory).catch(() => undefined);
  if (!stats?.isDirectory()) return pulledFiles(model);
  const ggufs = (await readdir(directory)).filter((file) => file.toLowerCase().endsWith(".gguf")).sort();
  const projectors = ggufs.filter((file) => /mmproj/i.test(file));
  const decoders = ggufs.filter((file) => !/mmproj/i.test(file));
  const one = (files: readonly string[], what: string): string => {
    const split = files.find((file) => splitParts(file));
    if (split !== undefined) {
      throw new SightlineError("model-not-found", `findModelFiles: ${directory}: expected one ${what}, found a model split into ${splitParts(split)?.parts} files (${split}); ${mergeRemedy}`);
    }
    if (files.length === 1) return path.join(directory, files[0] as string);
    const found = files.length === 0 ? "none" : files.join(", ");
    throw new SightlineError("model-not-found", `findModelFiles: ${directory}: expected one ${what}, found ${found}`);
  };
  const checkpoint = projectors.length === 0 && (await stat(path.join(directory, "config.json")).catch(() => undefined))?.isFile() === true;
  return { name: model === "mini" ? "mini" : path.basename(directory), mmproj: checkpoint ? directory : one(projectors, "mmproj*.gguf"), decoder: one(decoders, "decoder .gguf") };
}

/** A model that is no directory: one that was pulled. */
async function pulledFiles(model: string): Promise<ModelFiles> {
  if (!(await isModelName(model))) {
    throw new SightlineError("model-not-found", `findModelFiles: "${model}" is neither "mini" nor a directory, nor a known model${await suggestion(model)}; expected a directory with mmproj*.gguf and a decoder's .gguf`);
  }
  try {
    return await cachedPair(model);
  } catch (cause) {
    if (!(cause instanceof HubError)) throw cause;
    throw new SightlineError("model-not-found", `findModelFiles: ${cause.message}`, { cause });
  }
}

/** The folder of the embedded model, in the package @sightline/mini. */
export function miniDirectory(): string {
  return path.dirname(createRequire(import.meta.url).resolve("@sightline/mini/package.json"));
}
