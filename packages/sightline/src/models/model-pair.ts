import { realpath, stat } from "node:fs/promises";
import { openWeights, type MetadataValue, type WeightSource } from "@sightline/weights";
import type { ImageModel } from "../image-model.js";
import { SightlineError } from "../sightline-error.js";
import { ggufKind, type GgufKind } from "./gguf-kind.js";
import type { ModelFiles } from "./model-files.js";

/**
 * E as embeddings are read: `embedding_length`, and as much again for each level of deepstack (Qwen3-VL); undefined where the
 * file states none.
 */
export function decoderInputWidth(metadata: ReadonlyMap<string, MetadataValue>): number | undefined {
  const architecture = String(metadata.get("general.architecture"));
  const [width, levels] = [metadata.get(`${architecture}.embedding_length`), metadata.get(`${architecture}.n_deepstack_layers`) ?? 0];
  if (typeof width !== "number" || !Number.isInteger(width) || width < 1) return undefined;
  return typeof levels === "number" && Number.isInteger(levels) && levels >= 0 ? width * (1 + levels) : undefined;
}

/**
 * Checks that two files are a model's: the one that sees and the one that speaks, each what it should be.
 * @throws SightlineError `model-mismatch` when they are swapped, the same, or something else (an adapter, a part of a split
 *   model, a projector for sound); WeightsError when one is damaged
 */
export async function checkModelFiles({ mmproj, decoder }: Pick<ModelFiles, "mmproj" | "decoder">): Promise<void> {
  const bad = (problem: string): SightlineError => new SightlineError("model-mismatch", `checkModelFiles: ${problem}`);
  if ((await realPath(mmproj)) === (await realPath(decoder))) throw bad(`mmproj and decoder are the same file (${decoder}); a vision-language model in GGUF is two files`);
  const directory = (await stat(mmproj).catch(() => undefined))?.isDirectory() === true;
  const seeing = directory ? undefined : await kindOf(mmproj);
  const speaking = await kindOf(decoder);
  if (seeing?.kind === "decoder" && speaking.kind === "mmproj") throw bad(`mmproj and decoder are swapped: ${mmproj} is ${seeing.words} and ${decoder} is ${speaking.words}`);
  if (seeing && seeing.kind !== "mmproj") throw bad(mistaken("an mmproj", mmproj, seeing));
  if (speaking.kind !== "decoder") throw bad(mistaken("a decoder", decoder, speaking));
}

/**
 * Checks the decoder's file before native code opens it, and that it belongs to the projector, whose rows must have the
 * width that the decoder reads.
 * @throws WeightsError naming file, tensor and numbers; SightlineError `model-mismatch` naming both widths, or what the file
 *   is if it is no decoder
 */
export async function checkModelPair(files: Pick<ModelFiles, "mmproj" | "decoder">, imageModel: Pick<ImageModel, "width">): Promise<void> {
  await using decoder = await openWeights(files.decoder);
  checkPairOf(files, decoder, imageModel);
}

/** @internal The same, of a decoder's file that is open. */
export function checkPairOf(files: Pick<ModelFiles, "mmproj" | "decoder">, decoder: WeightSource, imageModel: Pick<ImageModel, "width">): void {
  const bad = (problem: string): SightlineError => new SightlineError("model-mismatch", `checkModelPair: ${problem}`);
  const kind = ggufKind(decoder);
  if (kind.kind !== "decoder") throw bad(mistaken("a decoder", files.decoder, kind));
  const width = decoderInputWidth(decoder.metadata);
  if (width === undefined) throw bad(`${files.decoder}: expected ${widthKeys(decoder)} to be whole numbers`);
  if (imageModel.width !== width) {
    throw bad(`the projector gives rows of width ${imageModel.width} (${files.mmproj}), but the decoder reads width ${width} (${files.decoder}); take both from one model`);
  }
}

async function kindOf(file: string): Promise<GgufKind> {
  await using source = await openWeights(file);
  return ggufKind(source);
}

function mistaken(expected: string, file: string, { words, remedy }: GgufKind): string {
  return `${file}: expected ${expected}, got ${words}${remedy === undefined ? "" : `; ${remedy}`}`;
}

function widthKeys({ metadata }: WeightSource): string {
  const architecture = String(metadata.get("general.architecture")).slice(0, 40);
  const levels = `${architecture}.n_deepstack_layers`;
  return `${architecture}.embedding_length${metadata.has(levels) ? ` and ${levels}` : ""}`;
}

/** Symbolic links resolved; a file that is not there stays as it is named, and whoever opens it says so. */
function realPath(file: string): Promise<string> {
  return realpath(file).catch(() => file);
}
