import type { MetadataValue } from "@sightline/weights";
import { amount, dimension, perBlock } from "./header-numbers.js";
import type { CacheDescription } from "./model-description.js";

/** Every how many blocks one sees all positions, where the architecture implies it (llama.cpp's src/models, 80fb11a). */
const impliedPeriods: Readonly<Record<string, number>> = { cohere2: 4, exaone4: 4, gemma2: 2, gemma3: 6, gemma3n: 5, "gpt-oss": 2, llama4: 4, olmo2: 4, olmo3: 4 };

/** More blocks than llama.cpp takes (512) are no model. */
const mostBlocks = 512;
const bytesOfF16 = 2;
/** llama.cpp rounds caches up to whole pieces of so many positions. */
const piece = 256;
const batch = 512;

/** What the cache's size depends on: bytes of a position in each block, and which blocks look back a window only. */
interface CacheShape {
  readonly bytesOfPosition: readonly number[];
  readonly windowed: readonly boolean[];
  readonly window: number | undefined;
}

/**
 * The sizes of a decoder's cache at contexts of so many positions: keys and values of every head, in F16. Blocks without
 * heads for them (convolutions, recurrent blocks) take none. Undefined where the metadata does not say enough.
 */
export function kvCacheSizes(metadata: ReadonlyMap<string, MetadataValue>, contexts: readonly number[]): CacheDescription[] | undefined {
  const shape = cacheShape(metadata);
  if (!shape) return undefined;
  const { bytesOfPosition, windowed, window } = shape;
  const sum = (positions: (block: number) => number): number => bytesOfPosition.reduce((total, bytes, block) => total + bytes * positions(block), 0);
  return contexts.map((context) => {
    const whole = whole256(context);
    const bytes = sum(() => whole);
    if (window === undefined || !windowed.includes(true)) return { context, bytes };
    const short = Math.min(whole, whole256(window + batch));
    return { context, bytes, windowBytes: sum((block) => (windowed[block] ? short : whole)) };
  });
}

function whole256(positions: number): number {
  return Math.ceil(positions / piece) * piece;
}

function cacheShape(metadata: ReadonlyMap<string, MetadataValue>): CacheShape | undefined {
  const architecture = String(metadata.get("general.architecture"));
  const value = (key: string): MetadataValue | undefined => metadata.get(`${architecture}.${key}`);
  const blocks = dimension(value("block_count"));
  const width = dimension(value("embedding_length"));
  if (blocks === undefined || width === undefined || blocks > mostBlocks) return undefined;
  const heads = perBlock(value("attention.head_count"), blocks);
  const keyValueHeads = perBlock(value("attention.head_count_kv"), blocks) ?? (value("attention.head_count_kv") === undefined ? heads : undefined);
  if (!heads || !keyValueHeads) return undefined;
  // As llama.cpp has it: the first block's heads share the width.
  const shared = Math.floor(width / Math.max(1, heads[0] as number));
  const keyWidth = dimension(value("attention.key_length")) ?? shared;
  const valueWidth = dimension(value("attention.value_length")) ?? shared;
  const windowKeyWidth = dimension(value("attention.key_length_swa")) ?? keyWidth;
  const windowValueWidth = dimension(value("attention.value_length_swa")) ?? valueWidth;
  const window = dimension(value("attention.sliding_window"));
  const windowed = window === undefined ? new Array<boolean>(blocks).fill(false) : windowedBlocks(architecture, value("attention.sliding_window_pattern"), blocks);
  // The last blocks may read the keys and values of earlier ones; of hybrid models only every so manieth block attends.
  const own = blocks - Math.min(amount(value("attention.shared_kv_layers")) ?? 0, blocks);
  const interval = dimension(value("full_attention_interval")) ?? 1;
  const bytesOfPosition = keyValueHeads.map((count, block) => {
    if (block >= own || (block + 1) % interval !== 0) return 0;
    return count * (windowed[block] ? windowKeyWidth + windowValueWidth : keyWidth + valueWidth) * bytesOfF16;
  });
  return { bytesOfPosition, windowed, window };
}

function windowedBlocks(architecture: string, pattern: MetadataValue | undefined, blocks: number): boolean[] {
  if (Array.isArray(pattern)) return Array.from({ length: blocks }, (_, block) => pattern[block] === true || Number(pattern[block] ?? 0) > 0);
  const period = dimension(pattern) ?? impliedPeriods[architecture];
  // Models that state a window and no pattern are run with full attention, or not known.
  if (period === undefined) return new Array<boolean>(blocks).fill(false);
  return Array.from({ length: blocks }, (_, block) => block % period < period - 1);
}
