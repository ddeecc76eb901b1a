import { EvalError } from "../../eval-error.js";
import { tokenizeCaption } from "./tokenizer/caption-words.js";
import { eachCommon, maxOrder, type NgramTable, type NgramCounts, type Tally } from "./ngrams.js";

const sigma = 6;

/** In how many images' references each n-gram occurs. */
export interface DocumentFrequency {
  /** Images counted. */
  readonly images: number;
  /** By n-gram, its words joined by spaces; n-grams that are missing occur in none. */
  readonly counts: ReadonlyMap<string, number>;
}

/** By n - 1, the weight of each n-gram by its number: the rarer in references, the more. */
export type NgramWeights = readonly Float64Array[];

/** Weights from the references of the very images that are scored, as in the COCO evaluation. */
export function weightsOfReferences(references: readonly (readonly NgramCounts[])[], table: NgramTable): NgramWeights {
  const frequencies = table.sizes.map((size) => new Float64Array(size));
  // Marks what the image at hand was counted for, so that an n-gram in two of its references counts once.
  const marks = table.sizes.map((size) => new Int32Array(size).fill(-1));
  for (const [image, ofImage] of references.entries()) {
    for (const counts of ofImage) {
      for (const [n, { ids }] of counts.entries()) {
        const [frequency, mark] = [frequencies[n] as Float64Array, marks[n] as Int32Array];
        for (const id of ids) {
          if (mark[id] === image) continue;
          mark[id] = image;
          frequency[id] = (frequency[id] as number) + 1;
        }
      }
    }
  }
  return frequencies.map((frequency) => inverse(frequency, references.length));
}

/** Weights from a fixed count; `table` has numbered the captions already. */
export function weightsOf({ images, counts }: DocumentFrequency, table: NgramTable): NgramWeights {
  const numbered = [...counts].map(([ngram, count]) => ({ tallies: table.counts(ngram), count }));
  const frequencies = table.sizes.map((size) => new Float64Array(size));
  for (const { tallies, count } of numbered) {
    const n = (tallies[0] as Tally).total - 1;
    const id = tallies[n]?.ids[0];
    if (id !== undefined) (frequencies[n] as Float64Array)[id] = count;
  }
  return frequencies.map((frequency) => inverse(frequency, images));
}

function inverse(frequency: Float64Array, images: number): Float64Array {
  const logImages = Math.log(images);
  return frequency.map((count) => logImages - Math.log(Math.max(1, count)));
}

/**
 * CIDEr-D of each image (Vedantam et al. 2015), 0 to 10: for n from 1 to 4 the clipped cosine of TF-IDF vectors, less where
 * the lengths differ, the mean over n and references, times ten. As in the COCO evaluation the length is the number of
 * bigrams, and term frequencies are counts. With one image all weights are 0, and so is the score.
 */
export function ciderD(candidates: readonly NgramCounts[], references: readonly (readonly NgramCounts[])[], weights: NgramWeights): readonly number[] {
  return candidates.map((counts, i) => {
    const candidate = vectorOf(counts, weights);
    const ofImage = references[i] ?? [];
    const sum = ofImage.reduce((all, reference) => all + similarity(candidate, vectorOf(reference, weights)), 0);
    return (sum / ofImage.length) * 10;
  });
}

interface Vector {
  readonly tallies: NgramCounts;
  /** By n - 1, beside the ids of the tally. */
  readonly values: readonly (readonly number[])[];
  readonly norms: readonly number[];
}

function vectorOf(tallies: NgramCounts, weights: NgramWeights): Vector {
  const values = tallies.map(({ ids, counts }, n) => ids.map((id, i) => (counts[i] as number) * ((weights[n] as Float64Array)[id] as number)));
  return { tallies, values, norms: values.map((vector) => Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0))) };
}

/** The mean over n. */
function similarity(candidate: Vector, reference: Vector): number {
  const bigrams = (vector: Vector): number => vector.tallies[1]?.total ?? 0;
  const penalty = Math.exp(-((bigrams(candidate) - bigrams(reference)) ** 2) / (2 * sigma ** 2));
  let sum = 0;
  for (let n = 0; n < maxOrder; n++) {
    const norm = (candidate.norms[n] as number) * (reference.norms[n] as number);
    if (norm === 0) continue;
    const [own, others] = [candidate.values[n] as readonly number[], reference.values[n] as readonly number[]];
    let product = 0;
    eachCommon(candidate.tallies[n] as Tally, reference.tallies[n] as Tally, (i, j) => {
      product += Math.min(own[i] as number, others[j] as number) * (others[j] as number);
    });
    sum += (product / norm) * penalty;
  }
  return sum / maxOrder;
}

/**
 * Counts in how many images' references each n-gram occurs, so that a subset's CIDEr can be weighed by a whole set.
 * @param references the captions of each image
 * @throws EvalError `bad-input` without images
 */
export function documentFrequency(references: readonly (readonly string[])[]): DocumentFrequency {
  if (references.length === 0) throw new EvalError("bad-input", "documentFrequency: expected the references of at least one image, got none");
  const counts = new Map<string, number>();
  for (const ofImage of references) {
    const seen = new Set<string>();
    for (const caption of ofImage) {
      const words = tokenizeCaption(caption).split(/[ \u00a0]+/);
      for (let n = 1; n <= maxOrder; n++) for (let i = 0; i + n <= words.length; i++) seen.add(words.slice(i, i + n).join(" "));
    }
    for (const ngram of seen) counts.set(ngram, (counts.get(ngram) ?? 0) + 1);
  }
  return { images: references.length, counts };
}
