import { seededHash } from "../seeded-hash.js";
import { captionKey, type PairLabels } from "../losses/pair-labels.js";
import type { PairEmbeddings, PairLoss, PairLossResult, Temperature } from "../losses/pair-loss.js";
import { TrainingError } from "../training-error.js";
import type { Collectives } from "./collectives.js";

/** What the rows of a batch are: text i was written for image i. */
export interface PairIdentities {
  readonly captions: readonly string[];
  readonly imageIds: readonly string[];
}

/** Settings of `ringSigmoidLoss`. */
export interface RingLossOptions {
  /** What an equal caption, or another caption of the same image, counts as; as in `pairLabels`. */
  readonly duplicates?: "ignore" | "positive";
}

/** Texts on their way round, with the gradient that they collect. */
interface Visitors {
  readonly texts: Float32Array;
  readonly gradients: Float32Array;
}

/**
 * The sigmoid loss of a batch that lies on several processes (Zhai et al. 2023, section 3.3): texts pass round a ring, each
 * process takes the loss of its own images against the texts that are visiting, and no process ever holds all of them. The
 * gradient of a text travels with it and comes home at the end. What every process knows of all pairs are 16 bytes of each,
 * which tell duplicates.
 * Loss and mean logits are those of the whole batch. Gradients of embeddings are whole too; those of t' and b are this
 * process' part, so that one sum over the gradients of all parameters makes everything whole.
 * @param tile the loss of images against texts on this process, as `ChunkedSigmoidLoss` gives it
 * @throws TrainingError when embeddings and identities do not fit
 */
export async function ringSigmoidLoss(
  collectives: Collectives,
  tile: PairLoss,
  embeddings: PairEmbeddings,
  own: PairIdentities,
  temperature: Temperature,
  { duplicates = "ignore" }: RingLossOptions = {},
): Promise<PairLossResult> {
  const { rank, size } = collectives;
  const { width } = embeddings;
  const count = own.captions.length;
  if (own.imageIds.length !== count || embeddings.images.length !== count * width || embeddings.texts.length !== count * width) {
    throw new TrainingError(`ringSigmoidLoss: expected as many images as texts and identities, got ${embeddings.images.length / width}, ${embeddings.texts.length / width}, ${count} and ${own.imageIds.length}`);
  }
  const counts = new Float64Array(size);
  counts[rank] = count;
  await collectives.allReduceSum(counts);
  const total = counts.reduce((sum, n) => sum + n, 0);
  const starts = counts.reduce<number[]>((before, n) => [...before, (before.at(-1) as number) + n], [0]);
  const pairs = await allPairs(collectives, own, starts[rank] as number, total);
  const imageGradients = new Float32Array(embeddings.images.length);
  // Loss, sums and numbers of matches and negatives; then this process' gradients of t' and b.
  const sums = new Float64Array(5);
  let [logitScaleGradient, logitBiasGradient] = [0, 0];
  let visitors: Visitors = { texts: embeddings.texts, gradients: new Float32Array(embeddings.texts.length) };
  for (let step = 0; step < size; step++) {
    const owner = (rank - step + size) % size;
    const visiting = counts[owner] as number;
    if (count > 0 && visiting > 0) {
      const labels = blockLabels(pairs, { from: starts[rank] as number, count }, { from: starts[owner] as number, count: visiting }, duplicates);
      const result = await tile({ width, images: embeddings.images, texts: visitors.texts }, labels, temperature);
      // The block divides by its own images, the batch by all.
      const share = count / total;
      addScaled(imageGradients, result.imageGradients, share);
      addScaled(visitors.gradients, result.textGradients, share);
      logitScaleGradient += share * result.logitScaleGradient;
      logitBiasGradient += share * result.logitBiasGradient;
      addSums(sums, result, labels, share);
    }
    if (size > 1) visitors = await passedOn(collectives, visitors, counts[(owner - 1 + size) % size] as number, width, step === size - 1);
  }
  await collectives.allReduceSum(sums);
  const [loss, positive, positives, negative, negatives] = sums as unknown as [number, number, number, number, number];
  return {
    loss,
    imageGradients,
    textGradients: visitors.gradients,
    logitScaleGradient,
    logitBiasGradient,
    meanPositiveLogit: positives > 0 ? positive / positives : Number.NaN,
    meanNegativeLogit: negatives > 0 ? negative / negatives : Number.NaN,
  };
}

/** Gives the visitors to the next process and takes those of the one before. On the last step only gradients matter. */
async function passedOn(collectives: Collectives, visitors: Visitors, arriving: number, width: number, last: boolean): Promise<Visitors> {
  const { rank, size } = collectives;
  const [to, from] = [(rank + 1) % size, (rank - 1 + size) % size];
  const pass = async (send: Float32Array): Promise<Float32Array> => {
    const receive = new Float32Array(arriving * width);
    await collectives.exchange(bytesOf(send), to, bytesOf(receive), from);
    return receive;
  };
  const gradients = await pass(visitors.gradients);
  return { gradients, texts: last ? visitors.texts : await pass(visitors.texts) };
}

/** Of every pair of the batch a hash of its caption and one of its image, 53 bits each, which float64 holds. */
interface HashedPairs {
  readonly captions: Float64Array;
  readonly images: Float64Array;
}

async function allPairs(collectives: Collectives, { captions, imageIds }: PairIdentities, from: number, total: number): Promise<HashedPairs> {
  // Every process fills in its own; a sum with zeros is a gathering.
  const all = new Float64Array(2 * total);
  captions.forEach((caption, i) => (all[from + i] = hash53(captionKey(caption))));
  imageIds.forEach((id, i) => (all[total + from + i] = hash53(id)));
  await collectives.allReduceSum(all);
  return { captions: all.subarray(0, total), images: all.subarray(total) };
}

/** A batch of 32,768 has a collision once in 10^7. */
function hash53(text: string): number {
  return (seededHash(1, text) >>> 11) * 2 ** 32 + seededHash(2, text);
}

interface Part {
  readonly from: number;
  readonly count: number;
}

/** Own images against visiting texts, as `pairLabels` has it: captions of the same picture, and what says the same as one of them, are no negatives. */
function blockLabels({ captions, images }: HashedPairs, own: Part, visiting: Part, duplicates: "ignore" | "positive"): PairLabels {
  const captionsOfImage = grouped(images, { from: 0, count: images.length }, (pair) => captions[pair] as number);
  const textsOfCaption = grouped(captions, visiting, (pair) => pair - visiting.from);
  const rowStarts = new Int32Array(own.count + 1);
  const columns: number[] = [];
  const values: number[] = [];
  for (let i = 0; i < own.count; i++) {
    const pair = own.from + i;
    const same = new Set(captionsOfImage.get(images[pair] as number));
    for (const text of [...same].flatMap((caption) => textsOfCaption.get(caption) ?? []).sort((a, b) => a - b)) {
      columns.push(text);
      values.push(visiting.from + text === pair || duplicates === "positive" ? 1 : 0);
    }
    rowStarts[i + 1] = columns.length;
  }
  return { images: own.count, texts: visiting.count, negativeWeight: 1, rowStarts, columns: Int32Array.from(columns), values: Float32Array.from(values) };
}

function grouped(keys: Float64Array, { from, count }: Part, value: (pair: number) => number): ReadonlyMap<number, readonly number[]> {
  const groups = new Map<number, number[]>();
  for (let pair = from; pair < from + count; pair++) {
    const group = groups.get(keys[pair] as number);
    if (group) group.push(value(pair));
    else groups.set(keys[pair] as number, [value(pair)]);
  }
  return groups;
}

function addSums(sums: Float64Array, { loss, meanPositiveLogit, meanNegativeLogit }: PairLossResult, { images, texts, values }: PairLabels, share: number): void {
  const positives = values.reduce((count, value) => count + (value > 0 ? 1 : 0), 0);
  const negatives = images * texts - values.length;
  sums[0] = (sums[0] as number) + share * loss;
  if (positives > 0) [sums[1], sums[2]] = [(sums[1] as number) + positives * meanPositiveLogit, (sums[2] as number) + positives];
  if (negatives > 0) [sums[3], sums[4]] = [(sums[3] as number) + negatives * meanNegativeLogit, (sums[4] as number) + negatives];
}

function addScaled(sum: Float32Array, values: Float32Array, factor: number): void {
  for (let i = 0; i < sum.length; i++) sum[i] = (sum[i] as number) + factor * (values[i] as number);
}

function bytesOf(values: Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}
