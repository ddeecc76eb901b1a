import { DecoderError } from "./decoder-error.js";
import type { Vocabulary } from "./vocabulary.js";

/** A part of a prompt. Its arrays must not change before the generation that reads them has ended. */
export type Segment =
  | {
      readonly type: "tokens";
      /** `int32[T]` */
      readonly tokens: Int32Array;
    }
  | {
      readonly type: "embeddings";
      /** `float32[N, E]`, row after row */
      readonly embeddings: Float32Array;
      /** Names the content, for example by a hash of the pixels: equal ids are taken for equal embeddings and are not decoded again. */
      readonly id: string;
    };

/** Rows that go through the decoder together: neighbouring token segments are one run. */
export type Run =
  | { readonly type: "tokens"; readonly length: number; readonly tokens: Int32Array }
  | { readonly type: "embeddings"; readonly length: number; readonly embeddings: Float32Array; readonly id: string };

/** A checked prompt. */
export interface Prompt {
  readonly runs: readonly Run[];
  /** Rows of all kinds. */
  readonly length: number;
  readonly tokenCount: number;
  readonly embeddingCount: number;
}

/**
 * Checks everything about a prompt that llama.cpp would answer with an abort of the process, and more.
 * @throws DecoderError `bad-input`, `unsupported-model`
 */
export function readSegments(
  caller: string,
  segments: readonly Segment[],
  model: { readonly embeddingWidth: number; readonly takesEmbeddings: boolean; readonly vocabulary: Vocabulary },
): Prompt {
  if (!Array.isArray(segments)) throw new DecoderError("bad-input", `${caller}: segments: expected an array, got ${typeof segments}`);
  const runs: Run[] = [];
  let [tokenCount, embeddingCount] = [0, 0];
  for (const [index, segment] of segments.entries()) {
    const where = `${caller}: segments[${index}]`;
    if (segment.type === "tokens") {
      if (!(segment.tokens instanceof Int32Array)) throw new DecoderError("bad-input", `${where}.tokens: expected an Int32Array`);
      if (segment.tokens.length === 0) continue;
      model.vocabulary.checkTokens(`${where}.tokens`, segment.tokens);
      tokenCount += segment.tokens.length;
      const before = runs.at(-1);
      if (before?.type === "tokens") {
        const tokens = new Int32Array(before.length + segment.tokens.length);
        tokens.set(before.tokens);
        tokens.set(segment.tokens, before.length);
        runs[runs.length - 1] = { type: "tokens", length: tokens.length, tokens };
      } else {
        runs.push({ type: "tokens", length: segment.tokens.length, tokens: segment.tokens });
      }
    } else if (segment.type === "embeddings") {
      const length = checkEmbeddings(where, segment.embeddings, model);
      if (typeof segment.id !== "string") throw new DecoderError("bad-input", `${where}.id: expected a string, got ${typeof segment.id}`);
      embeddingCount += length;
      runs.push({ type: "embeddings", length, embeddings: segment.embeddings, id: segment.id });
    } else {
      throw new DecoderError("bad-input", `${where}.type: expected "tokens" or "embeddings"`);
    }
  }
  const length = tokenCount + embeddingCount;
  if (length === 0) throw new DecoderError("bad-input", `${caller}: segments: expected at least one token or embedding, got none`);
  return { runs, length, tokenCount, embeddingCount };
}

function checkEmbeddings(where: string, embeddings: unknown, model: { readonly embeddingWidth: number; readonly takesEmbeddings: boolean }): number {
  const width = model.embeddingWidth;
  if (!(embeddings instanceof Float32Array)) throw new DecoderError("bad-input", `${where}.embeddings: expected a Float32Array`);
  if (!model.takesEmbeddings) {
    throw new DecoderError("unsupported-model", `${where}: this model gives each embedding several positions (M-RoPE), which is not supported yet`);
  }
  if (embeddings.length === 0 || embeddings.length % width !== 0) {
    throw new DecoderError(
      "bad-input",
      `${where}.embeddings: expected float32[N, ${width}] (this decoder's embedding width is ${width}), got ${embeddings.length} values, ` +
        `which is ${embeddings.length / width} rows`,
    );
  }
  for (let i = 0; i < embeddings.length; i++) {
    if (!Number.isFinite(embeddings[i])) {
      throw new DecoderError("bad-input", `${where}.embeddings: expected finite values, got ${embeddings[i]} in row ${Math.floor(i / width)}, column ${i % width}`);
    }
  }
  return embeddings.length / width;
}
