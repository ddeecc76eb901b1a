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
      /**
       * Whether a row looks at earlier rows only, or at all rows of its segment, as Gemma 3's images and PaliGemma's prefix do.
       * The latter is decoded in one piece: N is at most `info.batchTokens`. "causal" when left out.
       */
      readonly attention?: Attention;
      /** How the rows lie in the picture, N = rows * columns: for models with multi-axis positions (M-RoPE), others ignore it. */
      readonly grid?: Grid;
    };

/** What the rows of a segment look at. */
export type Attention = "causal" | "non-causal";

/** How embeddings lie in their picture, row by row. */
export interface Grid {
  readonly rows: number;
  readonly columns: number;
}

/** Rows that go through the decoder together: neighbouring token segments are one run. */
export type Run =
  | { readonly type: "tokens"; readonly length: number; readonly tokens: Int32Array }
  | EmbeddingRun;

/** The rows of an embeddings segment. */
export interface EmbeddingRun {
  readonly type: "embeddings";
  readonly length: number;
  readonly embeddings: Float32Array;
  readonly id: string;
  readonly attention: Attention;
  /** Where the model has multi-axis positions and the rows are a picture's. */
  readonly grid: Grid | undefined;
}

/** What a prompt is checked against. */
export interface PromptModel {
  readonly embeddingWidth: number;
  /** Whether a position has a time, a row and a column (M-RoPE). */
  readonly multiAxisPositions: boolean;
  /** Rows of a batch. */
  readonly batchTokens: number;
  readonly vocabulary: Vocabulary;
}

/** How many positions of time the rows take: one each, or the longer side of their grid (Qwen2-VL, 3.1: M-RoPE). */
export function positionsOf(run: Run): number {
  return run.type === "embeddings" && run.grid !== undefined ? Math.max(run.grid.rows, run.grid.columns) : run.length;
}

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
 * @throws DecoderError `bad-input`
 */
export function readSegments(
  caller: string,
  segments: readonly Segment[],
  model: PromptModel,
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
      const attention = checkAttention(where, segment.attention, length, model);
      const grid = model.multiAxisPositions ? checkGrid(where, segment.grid, length) : undefined;
      runs.push({ type: "embeddings", length, embeddings: segment.embeddings, id: segment.id, attention, grid });
    } else {
      throw new DecoderError("bad-input", `${where}.type: expected "tokens" or "embeddings"`);
    }
  }
  const length = tokenCount + embeddingCount;
  if (length === 0) throw new DecoderError("bad-input", `${caller}: segments: expected at least one token or embedding, got none`);
  return { runs, length, tokenCount, embeddingCount };
}

function checkEmbeddings(where: string, embeddings: unknown, { embeddingWidth: width }: PromptModel): number {
  if (!(embeddings instanceof Float32Array)) throw new DecoderError("bad-input", `${where}.embeddings: expected a Float32Array`);
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

function checkAttention(where: string, attention: unknown, length: number, { batchTokens }: PromptModel): Attention {
  if (attention === undefined || attention === "causal") return "causal";
  if (attention !== "non-causal") throw new DecoderError("bad-input", `${where}.attention: expected "causal" or "non-causal", got ${String(attention)}`);
  if (length <= batchTokens) return "non-causal";
  throw new DecoderError(
    "bad-input",
    `${where}: ${length} rows that look at each other must be decoded in one piece, and a batch has ${batchTokens}; load the decoder with batchTokens: ${length} or more`,
  );
}

function checkGrid(where: string, grid: Grid | undefined, length: number): Grid | undefined {
  if (grid === undefined) return undefined;
  const { rows, columns } = grid;
  if (Number.isInteger(rows) && Number.isInteger(columns) && rows > 0 && columns > 0 && rows * columns === length) return { rows, columns };
  throw new DecoderError("bad-input", `${where}.grid: expected rows * columns = ${length}, the number of embeddings, got ${rows} * ${columns}`);
}
