import { TrainingError } from "../training-error.js";
import { dotRows, normalizeRows } from "../losses/normalized-rows.js";
import { cosineTile } from "./cosine-tile.js";

/** Images and texts whose cosines are computed at a time: the texts of a tile stay in the processor's cache. */
const [tileImages, tileTexts] = [64, 256];

/** Embeddings of images and texts, and which belong together. */
export interface RetrievalSet {
  /** D */
  readonly width: number;
  /** float32[N, D], of any length */
  readonly images: Float32Array;
  /** float32[M, D], of any length */
  readonly texts: Float32Array;
  /** int[M]: the image that each text was written for. */
  readonly imageOfText: ArrayLike<number>;
  /** What each text says: a text that says the same as one of an image's own is right for that image too. All differ when left out, as in the published protocol. */
  readonly keys?: readonly string[];
}

/** Shares of queries, 0 to 1. */
export interface Recall {
  /** By k: the queries with a right answer among the first k. */
  readonly at: ReadonlyMap<number, number>;
  /** The middle query's rank of its best right answer, from 1. */
  readonly medianRank: number;
}

/** Recall of both directions; see `retrieval`. */
export interface RetrievalResult {
  /** Each image against all texts; any of its own counts. */
  readonly imageToText: Recall;
  /** Each text against all images. */
  readonly textToImage: Recall;
}

/**
 * Retrieval both ways as Karpathy's protocol counts it (Karpathy & Fei-Fei 2015): by cosine, over the whole set. Equal
 * cosines count against the query, so that a tower which says the same of everything finds nothing, and one whose embeddings
 * are no numbers neither. An image without texts is no query, but may be found wrongly.
 * @throws TrainingError when the set is empty, or a list does not fit
 */
export function retrieval({ width, images, texts, imageOfText, keys }: RetrievalSet, at: readonly number[] = [1, 5, 10]): RetrievalResult {
  const [n, m] = [images.length / width, texts.length / width];
  if (n === 0 || m === 0 || !Number.isInteger(n) || m !== imageOfText.length || (keys && keys.length !== m)) {
    throw new TrainingError(`retrieval: expected images [N, ${width}] and texts [M, ${width}] with M images of texts, got ${images.length} and ${texts.length} elements, and ${imageOfText.length}`);
  }
  const right = new RightAnswers(n, imageOfText, keys);
  const x = normalizeRows(images, width).rows;
  const y = normalizeRows(texts, width).rows;
  // Summed as cosineTile does, so that a text with the right one's embedding ties with it to the last bit.
  const bestOfImage = new Float64Array(n).fill(Number.NEGATIVE_INFINITY);
  const bestOfText = new Float64Array(m).fill(Number.NEGATIVE_INFINITY);
  for (let i = 0; i < n; i++) {
    for (const j of right.textsOf(i)) {
      const cosine = dotRows(x, i, y, j, width);
      bestOfImage[i] = Math.max(bestOfImage[i] as number, cosine);
      bestOfText[j] = Math.max(bestOfText[j] as number, cosine);
    }
  }
  // Wrong answers that come before the best right one, both ways while each cosine is computed once. A cosine that is no
  // number counts against the query too.
  const cosines = new Float64Array(tileImages * tileTexts);
  const beforeImage = new Int32Array(n);
  const beforeText = new Int32Array(m);
  for (let fromText = 0; fromText < m; fromText += tileTexts) {
    const tile = { from: fromText, to: Math.min(m, fromText + tileTexts) };
    for (let fromImage = 0; fromImage < n; fromImage += tileImages) {
      const toImage = Math.min(n, fromImage + tileImages);
      cosineTile(x, { from: fromImage, to: toImage }, y, tile, width, cosines);
      for (let i = fromImage; i < toImage; i++) {
        const row = cosines.subarray((i - fromImage) * (tile.to - tile.from), (i - fromImage + 1) * (tile.to - tile.from));
        // Right answers come before no other.
        for (const j of right.textsOf(i)) if (j >= tile.from && j < tile.to) row[j - tile.from] = Number.NEGATIVE_INFINITY;
        const best = bestOfImage[i] as number;
        for (let j = tile.from; j < tile.to; j++) {
          const cosine = row[j - tile.from] as number;
          if (!(cosine < best)) beforeImage[i] = (beforeImage[i] as number) + 1;
          if (!(cosine < (bestOfText[j] as number))) beforeText[j] = (beforeText[j] as number) + 1;
        }
      }
    }
  }
  return { imageToText: recall(beforeImage.filter((_, i) => right.textsOf(i).length > 0), at), textToImage: recall(beforeText, at) };
}

/** Which texts are right for each image: those written for it, and those that say the same. */
class RightAnswers {
  readonly #texts: readonly (readonly number[])[];

  constructor(images: number, imageOfText: ArrayLike<number>, keys: readonly string[] | undefined) {
    const own = Array.from({ length: images }, (): number[] => []);
    const ofKey = new Map<string, number[]>();
    for (let j = 0; j < imageOfText.length; j++) {
      const image = imageOfText[j] as number;
      if (!(Number.isInteger(image) && image >= 0 && image < images)) throw new TrainingError(`retrieval: text ${j} expected an image from 0 to ${images - 1}, got ${image}`);
      own[image]?.push(j);
      if (!keys) continue;
      const key = keys[j] as string;
      const same = ofKey.get(key);
      if (same) same.push(j);
      else ofKey.set(key, [j]);
    }
    this.#texts = keys ? own.map((texts) => [...new Set(texts.flatMap((j) => ofKey.get(keys[j] as string) ?? []))]) : own;
  }

  textsOf(image: number): readonly number[] {
    return this.#texts[image] as readonly number[];
  }
}

function recall(before: Int32Array, at: readonly number[]): Recall {
  const sorted = before.slice().sort();
  const share = (k: number): number => before.reduce((sum, count) => sum + (count < k ? 1 : 0), 0) / before.length;
  return { at: new Map(at.map((k) => [k, share(k)])), medianRank: (sorted[Math.floor((sorted.length - 1) / 2)] as number) + 1 };
}
