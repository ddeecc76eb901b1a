import { readdir } from "node:fs/promises";
import path from "node:path";
import type { OpenCheckpointOptions, TowerName } from "../checkpoint.js";
import { ConfigError } from "../config/config-error.js";

/** A choice among the ONNX files of one model, by transformers.js' names; "quantized" is another name of "q8". */
export type OnnxVariant = "fp32" | "fp16" | "q8" | "quantized" | "int8" | "uint8" | "q4" | "q4f16" | "bnb4";

/** What a file's name has after the model's. */
export const variantSuffixes: Readonly<Record<OnnxVariant, string>> = {
  fp32: "",
  fp16: "_fp16",
  q8: "_quantized",
  quantized: "_quantized",
  int8: "_int8",
  uint8: "_uint8",
  q4: "_q4",
  q4f16: "_q4f16",
  bnb4: "_bnb4",
};

/** A tower's file. */
export interface TowerFile {
  readonly file: string;
  /** Both towers in one: it gives embeddings of unit length and no patch tokens. */
  readonly joint: boolean;
}

/** The ONNX files that were chosen in a directory of transformers.js' layout. */
export interface OnnxFiles {
  readonly towers: Readonly<Partial<Record<TowerName, TowerFile>>>;
  /** Files of both towers, the chosen variant's first; only they hold the scale and the bias of logits. */
  readonly joint: readonly string[];
}

/**
 * Chooses the files of a directory's `onnx` folder: each tower's own, or else the one of both.
 * @returns undefined where the safetensors of the directory are to be taken
 * @throws ConfigError naming the variants that are there, when the wanted one is not; RangeError for options that contradict each other
 */
export async function chooseOnnxFiles(directory: string, { format, variant, towers }: Pick<OpenCheckpointOptions, "format" | "variant" | "towers">): Promise<OnnxFiles | undefined> {
  if (format !== undefined && format !== "onnx" && format !== "safetensors") throw new RangeError(`loadSiglip: expected format "safetensors" or "onnx", got ${JSON.stringify(format)}`);
  if (variant !== undefined && !Object.hasOwn(variantSuffixes, variant)) {
    throw new RangeError(`loadSiglip: expected variant to be one of ${Object.keys(variantSuffixes).map((name) => `"${name}"`).join(", ")}, got ${JSON.stringify(variant)}`);
  }
  if (format === "safetensors") {
    if (variant !== undefined) throw new RangeError(`loadSiglip: expected no variant with format "safetensors", got "${variant}"`);
    return undefined;
  }
  const folder = path.join(directory, "onnx");
  const there = new Set((await namesIn(folder)).filter((name) => name.endsWith(".onnx")));
  if (format === undefined && variant === undefined) {
    const safetensors = (await namesIn(directory)).some((name) => /^(open_clip_)?model.*\.safetensors(\.index\.json)?$/.test(name));
    if (safetensors || there.size === 0) return undefined;
  }
  const suffix = variantSuffixes[variant ?? "fp32"];
  const chosen = (tower: TowerName): TowerFile => {
    for (const base of [`${tower}_model`, "model"]) {
      const name = `${base}${suffix}.onnx`;
      if (there.has(name)) return { file: path.join(folder, name), joint: base === "model" };
    }
    const variants = variantsOf(tower, there);
    const known = variants.length > 0 ? `expected one of ${variants.map((name) => `"${name}"`).join(", ")}` : `expected ${tower}_model.onnx or model.onnx`;
    throw new ConfigError("loadSiglip", folder, `variant of the ${tower} tower: ${known}, got "${variant ?? "fp32"}"`);
  };
  const jointNames = [...new Set([suffix, ...Object.values(variantSuffixes)].map((end) => `model${end}.onnx`))];
  return {
    towers: Object.fromEntries(towers.map((tower) => [tower, chosen(tower)])),
    joint: jointNames.filter((name) => there.has(name)).map((name) => path.join(folder, name)),
  };
}

function variantsOf(tower: TowerName, there: ReadonlySet<string>): string[] {
  return Object.entries(variantSuffixes).flatMap(([name, suffix]) => (name !== "quantized" && (there.has(`${tower}_model${suffix}.onnx`) || there.has(`model${suffix}.onnx`)) ? [name] : []));
}

async function namesIn(folder: string): Promise<string[]> {
  return readdir(folder).catch(() => []);
}
