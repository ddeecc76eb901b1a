import { TrainingError } from "../training-error.js";

/**
 * Which texts are true of which images, without a matrix of N x M: a pair is a negative of weight `negativeWeight`
 * unless it is listed. Listed pairs lie row by row: those of image i are at rowStarts[i] <= k < rowStarts[i + 1].
 */
export interface PairLabels {
  /** N */
  readonly images: number;
  /** M */
  readonly texts: number;
  readonly negativeWeight: number;
  /** int32[N + 1] */
  readonly rowStarts: Int32Array;
  /** int32[E]: the texts of the listed pairs, ascending within an image. */
  readonly columns: Int32Array;
  /** float32[E]: the weight of a match, minus the weight of a negative, or 0 for a pair that does not count. */
  readonly values: Float32Array;
}

/** What `pairLabels` makes labels of: which text belongs to which image, and what is known of duplicates. */
export interface PairLabelOptions {
  /** N */
  readonly images: number;
  /** For each text the image that it was written for, or -1 for a text that is true of none; several texts may share an image. */
  readonly imageOfText: ArrayLike<number>;
  /** The texts themselves. Equal ones (by `captionKey`) are never counted as negatives of each other's images. */
  readonly captions?: readonly string[];
  /** What each image is, where one may be in the batch twice: texts of one are then no negatives of the other. */
  readonly imageIds?: readonly (string | number)[];
  /** What a duplicate counts as: nothing, as by default, or a match. */
  readonly duplicates?: "ignore" | "positive";
  /** The weight of each text's matches, 1 by default. */
  readonly weights?: ArrayLike<number>;
  /** The weight of every negative, 1 by default. */
  readonly negativeWeight?: number;
}

/**
 * Captions that say the same to a tower: case, punctuation and spacing do not tell them apart (SigLIP's tokenisers
 * lower-case, the first version's drops punctuation).
 */
export function captionKey(caption: string): string {
  const folded = caption.normalize("NFKC").toLowerCase();
  const words = folded.replace(/[\p{P}\s]+/gu, " ").trim();
  return words === "" ? folded.trim() : words;
}

/**
 * Labels of a batch from what belongs together.
 * @throws TrainingError when a list has another length than there are texts or images, or a weight is not positive
 */
export function pairLabels(options: PairLabelOptions): PairLabels {
  const { images, imageOfText, captions, imageIds, duplicates = "ignore", weights, negativeWeight = 1 } = options;
  const texts = imageOfText.length;
  expectLength("captions", captions, texts);
  expectLength("weights", weights, texts);
  expectLength("imageIds", imageIds, images);
  for (const weight of [negativeWeight, ...Array.from(weights ?? [])]) {
    if (!(weight > 0 && Number.isFinite(weight))) throw new TrainingError(`pairLabels: expected weights above 0, got ${weight}`);
  }
  const own = Array.from({ length: images }, (): number[] => []);
  for (let text = 0; text < texts; text++) {
    const image = imageOfText[text] as number;
    if (image === -1) continue;
    if (!Number.isInteger(image) || image < 0 || image >= images) {
      throw new TrainingError(`pairLabels: text ${text} expected an image from 0 to ${images - 1} or -1, got ${image}`);
    }
    own[image]?.push(text);
  }
  const keys = captions?.map(captionKey);
  const textsOfKey = keys && groups(keys);
  const imagesOfId = imageIds && groups(imageIds);

  const rowStarts = new Int32Array(images + 1);
  const columns: number[] = [];
  const values: number[] = [];
  for (let image = 0; image < images; image++) {
    const row = new Map<number, number>();
    const matches = own[image] as number[];
    const mark = (text: number): unknown => row.set(text, duplicates === "ignore" ? 0 : (weights?.[text] ?? 1));
    for (const same of imagesOfId?.get(imageIds?.[image] as string | number) ?? []) own[same]?.forEach(mark);
    for (const text of [...row.keys(), ...matches]) textsOfKey?.get(keys?.[text] as string)?.forEach(mark);
    for (const text of matches) row.set(text, weights?.[text] ?? 1);
    for (const [text, value] of [...row].sort(([a], [b]) => a - b)) {
      columns.push(text);
      values.push(value);
    }
    rowStarts[image + 1] = columns.length;
  }
  return { images, texts, negativeWeight, rowStarts, columns: Int32Array.from(columns), values: Float32Array.from(values) };
}

/**
 * The labels of images from <= i < to as a matrix, as the losses in a graph take them.
 * @returns float32[to - from, M]: the weight of a match, minus the weight of a negative, 0 for a pair that does not count
 */
export function denseLabels(labels: PairLabels, from = 0, to: number = labels.images): Float32Array {
  const { texts, rowStarts, columns, values, negativeWeight } = labels;
  const dense = new Float32Array((to - from) * texts).fill(-negativeWeight);
  for (let image = from; image < to; image++) {
    for (let k = rowStarts[image] as number; k < (rowStarts[image + 1] as number); k++) {
      dense[(image - from) * texts + (columns[k] as number)] = values[k] as number;
    }
  }
  return dense;
}

function expectLength(name: string, list: ArrayLike<unknown> | undefined, length: number): void {
  if (list && list.length !== length) throw new TrainingError(`pairLabels: expected ${length} ${name}, got ${list.length}`);
}

function groups<Key>(keys: readonly Key[]): ReadonlyMap<Key, readonly number[]> {
  const found = new Map<Key, number[]>();
  keys.forEach((key, i) => {
    const group = found.get(key);
    if (group) group.push(i);
    else found.set(key, [i]);
  });
  return found;
}
