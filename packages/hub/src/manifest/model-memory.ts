import type { ManifestDecoder, ManifestText, ManifestTower, ModelManifest } from "./model-manifest.js";

/** What a model needs, computed from its shape; files and memory of the real one differ by a few percent. Bytes. */
export interface ModelMemory {
  /** The decoder's weights in this quantisation. */
  readonly decoderBytes: number;
  /** Keys and values in F16 at a context of 4096, or what it was trained with where that is less. */
  readonly cacheBytes: number;
  /** Towers and projector in float32, as they are run. */
  readonly encoderBytes: number;
  /** Sum of the three. Buffers for computing, which depend on the options, are not counted. */
  readonly totalBytes: number;
}

const usualContext = 4096;
const bytesOfF16 = 2;
const bytesOfF32 = 4;

/**
 * Bits of a weight. Of F16 to Q4_0 by their blocks (a block of 32 has a scale of 16 bits; Q6_K: 256 weights in 210 bytes);
 * Q5_K_M and Q4_K_M mix types, and llama.cpp's table for Llama 2 7B gives their mean (tools/quantize/README.md).
 */
const bitsOfWeight: Readonly<Record<string, number>> = { F32: 32, F16: 16, BF16: 16, Q8_0: 8.5, Q6_K: 6.5625, Q5_K_M: 5.68, Q4_K_M: 4.84, Q4_0: 4.5 };
/** llama.cpp keeps the table of output embeddings in Q6_K where the rest is smaller. */
const smallestOutputBits = 6.5625;

/**
 * Parameters of a vision tower: `3p²D + D` for patches, `P·D` positions, `L` blocks of `4(D² + D)` attention, `2DF + F + D` (a
 * third matrix `DF` for SwiGLU) and `4D` norms, `2D` for the last norm; the pooling head is one more block with a probe.
 */
export function towerParameters({ family, patchSize, imageSize, width, blocks, feedForward, positions, poolingHead }: ManifestTower): number {
  const frames = family === "qwen3-vl" ? 2 : 1;
  const patches = frames * 3 * patchSize ** 2 * width + width;
  const rows = positions ?? (imageSize === null ? 0 : Math.floor(imageSize / patchSize) ** 2);
  const mlp = (family === "eva02-clip" ? 3 : 2) * width * feedForward + feedForward + width;
  const block = 4 * (width ** 2 + width) + mlp;
  return patches + rows * width + blocks * (block + 4 * width) + 2 * width + (poolingHead ? width + block + 2 * width : 0);
}

/** Of a text tower: `V·D + T·D` for tokens and positions, blocks as above, a last norm, and a linear head to the other tower. */
export function textParameters({ width, blocks, feedForward, vocabulary, length }: ManifestText, towerWidth: number): number {
  const block = 4 * (width ** 2 + width) + 2 * width * feedForward + feedForward + 5 * width;
  return (vocabulary + length) * width + blocks * block + 2 * width + width * towerWidth + towerWidth;
}

/** Parameters of a decoder: its tables of embeddings, and all else. */
export interface DecoderParameters {
  readonly embeddings: number;
  /** 0 where output and input share a table. */
  readonly output: number;
  readonly blocks: number;
}

/**
 * Of a decoder with gated feed-forward blocks: `V·E`, twice where the output has its own table; `L` times `3EF`, and
 * `2E(A + K)h` of attention (`4E²` where a block has a convolution instead, as LFM2's). Norms are not counted.
 */
export function decoderParameters(decoder: ManifestDecoder): DecoderParameters {
  const { width, blocks, heads, keyValueHeads, headWidth, feedForward, vocabulary, tiedEmbeddings, attentionBlocks } = decoder;
  const attending = attentionBlocks ?? blocks;
  const attention = 2 * width * (heads + keyValueHeads) * headWidth;
  return {
    embeddings: vocabulary * width,
    output: tiedEmbeddings ? 0 : vocabulary * width,
    blocks: blocks * 3 * width * feedForward + attending * attention + (blocks - attending) * 4 * width ** 2,
  };
}

/** Bytes of a decoder's weights in a quantisation; undefined for one that is not known. */
export function decoderBytes(decoder: ManifestDecoder, quantisation: string): number | undefined {
  const bits = bitsOfWeight[quantisation.toUpperCase()];
  if (bits === undefined) return undefined;
  const { embeddings, output, blocks } = decoderParameters(decoder);
  const outputBits = Math.max(bits, smallestOutputBits);
  const tables = output === 0 ? embeddings * outputBits : embeddings * bits + output * outputBits;
  return Math.ceil((tables + blocks * bits) / 8);
}

/** Bytes of keys and values: `2 · L · K · h` numbers of 16 bits a position. */
export function cacheBytes({ blocks, attentionBlocks, keyValueHeads, headWidth, context }: ManifestDecoder): number {
  return 2 * (attentionBlocks ?? blocks) * keyValueHeads * headWidth * bytesOfF16 * Math.min(usualContext, context);
}

/** Parameters of what sees: towers and projector. */
export function encoderParameters({ tower, text, projector }: ModelManifest): number {
  return towerParameters(tower) + (text ? textParameters(text, tower.width) : 0) + (projector?.parameters ?? 0);
}

/**
 * What a model takes in memory, computed from its shapes.
 * @param quantisation the manifest's default when left out; F16 where there is none
 */
export function modelMemory(manifest: ModelManifest, quantisation?: string): ModelMemory {
  const { decoder, defaultQuantisation } = manifest;
  const weights = decoder ? (decoderBytes(decoder, quantisation ?? defaultQuantisation ?? "F16") ?? 0) : 0;
  const cache = decoder ? cacheBytes(decoder) : 0;
  const encoder = encoderParameters(manifest) * bytesOfF32;
  return { decoderBytes: weights, cacheBytes: cache, encoderBytes: encoder, totalBytes: weights + cache + encoder };
}

/**
 * Bytes to download: what the manifest knows; else the decoder by its quantisation, an mmproj in F16, a tower's checkpoint in
 * float32 (as google publishes them) and a whole vision-language checkpoint in BF16.
 */
export function downloadBytes(manifest: ModelManifest, quantisation?: string): { readonly bytes: number; readonly estimated: boolean } {
  const { kind, decoder, files, defaultQuantisation } = manifest;
  const chosen = quantisation ?? defaultQuantisation;
  const wanted = files.filter((file) => file.part !== "decoder" || file.quantisation === chosen);
  if (wanted.every(({ bytes }) => bytes !== null)) return { bytes: wanted.reduce((sum, { bytes }) => sum + (bytes ?? 0), 0), estimated: false };
  const of = (part: string): boolean => wanted.some((file) => file.part === part);
  const { embeddings, output, blocks } = decoder ? decoderParameters(decoder) : { embeddings: 0, output: 0, blocks: 0 };
  const encoder = encoderParameters(manifest);
  const checkpoint = kind === "tower" ? encoder * bytesOfF32 : (encoder + embeddings + output + blocks) * bytesOfF16;
  const bytes = (decoder && chosen !== null && of("decoder") ? (decoderBytes(decoder, chosen) ?? 0) : 0) + (of("vision") ? encoder * bytesOfF16 : 0) + (of("checkpoint") ? checkpoint : 0);
  return { bytes, estimated: true };
}
