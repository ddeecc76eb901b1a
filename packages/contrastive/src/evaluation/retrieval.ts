import { TrainingError } from "../training-error.js";
import { normalizeRows } from "../losses/normalized-rows.js";
import { cosineRow } from "./cosine-row.js";

export interface RetrievalSet {
  /** D */
  readonly width: number;
  /** float32[N, D], of any length */
  readonly images: Float32Array;
  /** float32[M, D], of any length */
  readonly texts: Float32Array;
  /** int[M]: the image that each text was written for. */
  readonly imageOfText: ArrayLike<number>;
}

/** Shares of queries, 0 to 1. */
export interface Recall {
  /** By k: the queries with a right answer among the first k. */
  readonly at: ReadonlyMap<number, number>;
  /** The middle query's rank of its best right answer, from 1. */
  readonly medianRank: number;
}

export interface RetrievalResult {
  /** Each image against all texts; any of its own counts. */
  readonly imageToText: Recall;
  /** Each text against all images. */
  readonly textToImage: Recall;
}

/**
 * Retrieval both ways as Karpathy's protocol counts it (Karpathy & Fei-Fei 2015): by cosine, over the whole set. Equal
 * cosines count against the query, so that a tower which says the same of everything finds nothing.
 * @throws TrainingError when the set is empty, or a list does not fit
 */
export function retrieval({ width, images, texts, imageOfText }: RetrievalSet, at: readonly number[] = [1, 5, 10]): RetrievalResult {
  const [n, m] = [images.length / width, texts.length / width];
  if (n === 0 || m === 0 || !Number.isInteger(n) || m !== imageOfText.length) {
    throw new TrainingError(`retrieval: expected images [N, ${width}] and texts [M, ${width}] with M images of texts, got ${images.length} and ${texts.length} elements, and ${imageOfText.length}`);
  }
  const x = normalizeRows(images, width).rows;
  const y = normalizeRows(texts, width).rows;
  const own = new Float64Array(m);
  const bestOfImage = new Float64Array(n).fill(Number.NEGATIVE_INFINITY);
  const hasText = new Uint8Array(n);
  for (let j = 0; j < m; j++) {
    const i = imageOfText[j] as number;
    if (!(Number.isInteger(i) && i >= 0 && i < n)) throw new TrainingError(`retrieval: text ${j} expected an image from 0 to ${n - 1}, got ${i}`);
    let sum = 0;
    for (let k = 0; k < width; k++) sum += (x[i * width + k] as number) * (y[j * width + k] as number);
    own[j] = sum;
    bestOfImage[i] = Math.max(bestOfImage[i] as number, sum);
    hasText[i] = 1;
  }
  // Others that come before the best right answer, counted while each cosine is computed once.
  const beforeImage = new Int32Array(n);
  const beforeText = new Int32Array(m);
  const row = new Float64Array(m);
  for (let i = 0; i < n; i++) {
    cosineRow(x, i, y, width, row);
    for (let j = 0; j < m; j++) {
      if (imageOfText[j] === i) continue;
      const cosine = row[j] as number;
      if (cosine >= (bestOfImage[i] as number)) beforeImage[i] = (beforeImage[i] as number) + 1;
      if (cosine >= (own[j] as number)) beforeText[j] = (beforeText[j] as number) + 1;
    }
  }
  return { imageToText: recall(beforeImage.filter((_, i) => hasText[i] === 1), at), textToImage: recall(beforeText, at) };
}

function recall(before: Int32Array, at: readonly number[]): Recall {
  const sorted = before.slice().sort();
  const share = (k: number): number => before.reduce((sum, count) => sum + (count < k ? 1 : 0), 0) / before.length;
  return { at: new Map(at.map((k) => [k, share(k)])), medianRank: (sorted[Math.floor((sorted.length - 1) / 2)] as number) + 1 };
}
