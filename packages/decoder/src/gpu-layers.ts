import { cacheTypes } from "./abi/llama-v0.4.0-devices.js";

/** What a KV cache can be stored as. */
export type CacheType = keyof typeof cacheTypes;

/** What the choice of layers depends on. */
export interface LayerBudget {
  /** Bytes of all weights. */
  readonly modelBytes: number;
  /** Repeated layers; the output counts as one more. */
  readonly layers: number;
  /** K and V of one layer for every position of every sequence, in bytes. */
  readonly cacheBytesPerLayer: number;
  /** Free bytes of each GPU. */
  readonly freeBytes: readonly number[];
}

/** Left free on each GPU: compute buffers, the runtime's own, and what else may be drawn there. */
const reserve = 0.1;
const leastReserve = 768 * 1024 * 1024;

/**
 * How many layers fit the GPUs, the output included (llama.cpp's n_gpu_layers): all of them where they fit, and 0 without
 * a GPU. Layers are taken for equally large, and the output for one of them; what does not fit stays on the CPU.
 */
export function layersThatFit({ modelBytes, layers, cacheBytesPerLayer, freeBytes }: LayerBudget): number {
  const perLayer = modelBytes / (layers + 1) + cacheBytesPerLayer;
  const fitting = freeBytes.map((free) => Math.max(0, Math.floor((free - Math.max(leastReserve, free * reserve)) / perLayer)));
  return Math.min(layers + 1, fitting.reduce((sum, count) => sum + count, 0));
}

/** What a model's metadata says of its layers; see layersThatFit. */
export interface LayerFacts {
  readonly layers: number;
  readonly heads: number;
  readonly keyValueHeads: number;
  /** E */
  readonly width: number;
  /** Widths of one head's key and value, where the model says so. */
  readonly keyWidth: number | undefined;
  readonly valueWidth: number | undefined;
}

/** Bytes of K and V of one layer for `positions` positions. */
export function cacheBytesPerLayer({ heads, keyValueHeads, width, keyWidth, valueWidth }: LayerFacts, positions: number, typeK: CacheType, typeV: CacheType): number {
  const headWidth = width / Math.max(1, heads);
  const bytes = (type: CacheType): number => cacheTypes[type].bytesOf32 / 32;
  return positions * keyValueHeads * ((keyWidth ?? headWidth) * bytes(typeK) + (valueWidth ?? headWidth) * bytes(typeV));
}

/** Reads LayerFacts from metadata values; undefined where the model does not say how many layers it has. */
export function readLayerFacts(metadata: (key: string) => string | undefined): LayerFacts | undefined {
  const architecture = metadata("general.architecture") ?? "";
  const number = (key: string): number | undefined => {
    const value = Number(metadata(`${architecture}.${key}`) ?? Number.NaN);
    return Number.isFinite(value) && value > 0 ? value : undefined;
  };
  const layers = number("block_count");
  const heads = number("attention.head_count") ?? 1;
  const width = number("embedding_length");
  if (layers === undefined || width === undefined) return undefined;
  return {
    layers,
    heads,
    keyValueHeads: number("attention.head_count_kv") ?? heads,
    width,
    keyWidth: number("attention.key_length"),
    valueWidth: number("attention.value_length"),
  };
}
