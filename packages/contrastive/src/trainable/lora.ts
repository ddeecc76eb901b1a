import type { ParameterSet } from "../parameter-set.js";
import { TrainingError } from "../training-error.js";

/** Matrices that LoRA can change: of the blocks' attention, of their MLPs, of the pooling head (its packed in_proj too). */
export type LoraPart = "attention" | "mlp" | "pooling";

/** Settings of low-rank adapters (Hu et al. 2022). */
export interface LoraOptions {
  /** r */
  readonly rank: number;
  /** The change is alpha / r · B A; as large as the rank by default. */
  readonly alpha?: number;
  /** Share of the inputs of A that are dropped in training, 0 by default; not in the packed in_proj, whose input has no row of its own. */
  readonly dropout?: number;
  /** Which matrices, by the name of the weight; attention, MLP and pooling head by default. */
  readonly targets?: (name: string) => boolean;
}

const patterns: Record<LoraPart, RegExp> = {
  attention: /\.encoder\.layers\.\d+\.self_attn\.(q|k|v|out)_proj\.weight$/,
  mlp: /\.encoder\.layers\.\d+\.mlp\.fc[12]\.weight$/,
  pooling: /^vision_model\.head\.(attention\.in_proj_weight|attention\.out_proj\.weight|mlp\.fc[12]\.weight)$/,
};

/** The matrices of some parts of the towers, for `LoraOptions.targets`. */
export function loraTargets(parts: readonly LoraPart[] = ["attention", "mlp", "pooling"]): (name: string) => boolean {
  return (name) => parts.some((part) => patterns[part].test(name));
}

const decoderPatterns: Record<"attention" | "mlp", RegExp> = {
  attention: /^model\.layers\.\d+\.self_attn\.[qkvo]_proj\.weight$/,
  mlp: /^model\.layers\.\d+\.mlp\.(gate|up|down)_proj\.weight$/,
};

/** The matrices of some parts of a decoder's blocks, for `LoraOptions.targets`. */
export function decoderLoraTargets(parts: readonly ("attention" | "mlp")[] = ["attention", "mlp"]): (name: string) => boolean {
  return (name) => parts.some((part) => decoderPatterns[part].test(name));
}

/** Names of A and B for a weight: `….q_proj.weight` has `….q_proj.lora_A.weight` and `….q_proj.lora_B.weight`. */
export function loraNames(weight: string): { readonly down: string; readonly up: string } {
  const module = weight.replace(/[._]weight$/, "");
  return { down: `${module}.lora_A.weight`, up: `${module}.lora_B.weight` };
}

/** alpha / r. Throws TrainingError when the options make no sense. */
export function loraFactor({ rank, alpha = rank, dropout = 0 }: LoraOptions): number {
  if (!(Number.isInteger(rank) && rank > 0)) throw new TrainingError(`LoRA: expected a rank of at least 1, got ${rank}`);
  if (!(dropout >= 0 && dropout < 1)) throw new TrainingError(`LoRA: expected a dropout in [0, 1), got ${dropout}`);
  return alpha / rank;
}

/**
 * Starts adapters so that they change nothing: A uniform within ±1/sqrt(in), as the reference starts it, B zero.
 * @param random numbers in [0, 1)
 */
export function initialiseLora(parameters: ParameterSet, random: () => number): void {
  for (const { name, shape } of parameters.slots) {
    if (name.endsWith(".lora_B.weight")) parameters.get(name).fill(0);
    if (!name.endsWith(".lora_A.weight")) continue;
    const values = parameters.get(name);
    const bound = 1 / Math.sqrt(shape[1] ?? 1);
    for (let i = 0; i < values.length; i++) values[i] = bound * (2 * random() - 1);
  }
}

/**
 * A weight with its adapter merged in, W + alpha / r · B A, as plain weights for files and inference; the weight itself
 * where it has no adapter.
 * @param values float32[out, in]
 * @param adapters the parameters that `adaptedParameters` trained
 * @returns float32[out, in]
 */
export function mergedWeight(name: string, values: Float32Array, adapters: ParameterSet, options: LoraOptions): Float32Array {
  const names = loraNames(name);
  if (!adapters.has(names.down)) return values;
  const factor = loraFactor(options);
  const [down, up] = [adapters.get(names.down), adapters.get(names.up)];
  const inWidth = down.length / options.rank;
  const outWidth = up.length / options.rank;
  if (values.length !== inWidth * outWidth) throw new TrainingError(`mergedWeight: "${name}" expected ${inWidth * outWidth} elements, got ${values.length}`);
  const merged = new Float32Array(values.length);
  const row = new Float64Array(inWidth);
  for (let o = 0; o < outWidth; o++) {
    row.fill(0);
    for (let r = 0; r < options.rank; r++) {
      const b = factor * (up[o * options.rank + r] as number);
      for (let i = 0; i < inWidth; i++) row[i] = (row[i] as number) + b * (down[r * inWidth + i] as number);
    }
    for (let i = 0; i < inWidth; i++) merged[o * inWidth + i] = (values[o * inWidth + i] as number) + (row[i] as number);
  }
  return merged;
}
