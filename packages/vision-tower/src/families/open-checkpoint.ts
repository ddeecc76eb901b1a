import { access } from "node:fs/promises";
import path from "node:path";
import type { AskedCheckpointOptions, Checkpoint, OpenCheckpointOptions, TowerName } from "../checkpoint.js";
import { ConfigError } from "../config/config-error.js";
import { readJson } from "../config/read-json.js";
import { chooseOnnxFiles, type OnnxFiles } from "../hub-onnx/onnx-files.js";
import { openClipOnnx } from "../hub-onnx/open-clip-onnx.js";
import { openSiglipOnnx } from "../hub-onnx/open-siglip-onnx.js";
import { isGgufPath, openMmproj } from "../mmproj/open-mmproj.js";
import { openClipCheckpoint, openClipVisionCheckpoint } from "./clip.js";
import { openDinov2Checkpoint } from "./dinov2.js";
import { openClipConfigName, openOpenClipCheckpoint } from "./open-clip.js";
import { openSiglipCheckpoint } from "./siglip.js";
import { openSiglip2Checkpoint } from "./siglip2.js";

interface Family {
  /** Whether its logits are read through a sigmoid, each on its own. */
  readonly sigmoid: boolean;
  /** Whether images keep their shape, so that `maxPatches` bounds them and not `imageSize`. */
  readonly naflex?: boolean;
  /** The towers it has, where these are not both. */
  readonly towers?: readonly TowerName[];
  readonly open: (directory: string, options: OpenCheckpointOptions) => Promise<Checkpoint>;
  /** From the ONNX files of transformers.js' layout, where the family has one. */
  readonly openOnnx?: (directory: string, options: OpenCheckpointOptions, files: OnnxFiles) => Promise<Checkpoint>;
}

const bothTowers: readonly TowerName[] = ["vision", "text"];

/** By `model_type` of config.json. */
const families: Readonly<Record<string, Family>> = {
  siglip: { sigmoid: true, open: openSiglipCheckpoint, openOnnx: openSiglipOnnx },
  siglip2: { sigmoid: true, naflex: true, open: openSiglip2Checkpoint },
  clip: { sigmoid: false, open: openClipCheckpoint, openOnnx: openClipOnnx },
  clip_vision_model: { sigmoid: false, towers: ["vision"], open: openClipVisionCheckpoint },
  dinov2: { sigmoid: false, towers: ["vision"], open: openDinov2Checkpoint },
  dinov2_with_registers: { sigmoid: false, towers: ["vision"], open: openDinov2Checkpoint },
};

/** A directory with an open_clip_config.json and no config.json of a known type. */
const openClip: Family = { sigmoid: false, open: openOpenClipCheckpoint };

/**
 * Opens a checkpoint by what its config.json says it is, or as open_clip's where only open_clip_config.json says it; an
 * mmproj GGUF by its metadata.
 * @param sigmoidOnly take none but the SigLIP family
 * @throws ConfigError naming the field and the known values, or a tower that the family has not; whatever the family throws
 */
export async function openCheckpoint(directory: string, options: AskedCheckpointOptions, sigmoidOnly: boolean): Promise<Checkpoint> {
  if (isGgufPath(directory)) return openMmproj(directory, options);
  const { file, field, type, family } = await familyOf(directory, options.signal);
  if (!family || (sigmoidOnly && !family.sigmoid)) {
    const known = Object.keys(families).filter((name) => !sigmoidOnly || families[name]?.sigmoid);
    const elsewhere = family ? "; loadVisionTower takes it" : "";
    throw new ConfigError("openCheckpoint", file, `${field}: expected one of ${known.map((name) => `"${name}"`).join(", ")}, got ${type}${elsewhere}`);
  }
  const [own, other] = family.naflex ? (["maxPatches", "imageSize"] as const) : (["imageSize", "maxPatches"] as const);
  if (options[other] !== undefined) {
    throw new ConfigError("openCheckpoint", file, `expected no ${other} for ${field} ${type}, got ${options[other]}; ${own} sets the size of its images`);
  }
  const { towers: has = bothTowers } = family;
  const missing = options.towers?.find((tower) => !has.includes(tower));
  if (missing) throw new ConfigError("openCheckpoint", file, `expected towers among ${has.join(", ")}, which ${field} ${type} has, got "${missing}"`);
  const asked = { ...options, towers: options.towers ?? has };
  const onnx = await chooseOnnxFiles(directory, asked);
  if (!onnx) return family.open(directory, asked);
  if (!family.openOnnx) throw new ConfigError("openCheckpoint", file, `expected safetensors for ${field} ${type}, whose ONNX files are not known, got ONNX files`);
  return family.openOnnx(directory, asked, onnx);
}

/** The family, and the file and field that say so; `type` as an error shows it. */
async function familyOf(directory: string, signal?: AbortSignal): Promise<{ file: string; field: string; type: string; family: Family | undefined }> {
  const file = path.join(directory, "config.json");
  const openClipFile = path.join(directory, openClipConfigName);
  const isOpenClip = await access(openClipFile).then(() => true, () => false);
  const ofOpenClip = { file: openClipFile, field: "the file", type: "an open_clip checkpoint", family: openClip };
  if (isOpenClip && !(await access(file).then(() => true, () => false))) return ofOpenClip;
  const config = await readJson(file, signal);
  const type: unknown = typeof config === "object" && config !== null ? Reflect.get(config, "model_type") : undefined;
  const family = typeof type === "string" && Object.hasOwn(families, type) ? families[type] : undefined;
  if (isOpenClip && !family) return ofOpenClip;
  return { file, field: "model_type", type: String(JSON.stringify(type)), family };
}
