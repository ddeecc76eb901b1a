import { seededHash, seededUniform } from "../seeded-hash.js";
import type { ImageTextPair } from "./image-text-pair.js";
import { shuffledBatches, type DataPosition, type ShuffleOptions } from "./shuffled-batches.js";

/** A caption chosen for an image. */
export interface ChosenPair {
  readonly pair: ImageTextPair;
  readonly caption: string;
}

/** Pairs of one step, a caption chosen for each. */
export interface DataBatch {
  readonly pairs: readonly ChosenPair[];
  readonly epoch: number;
  /** The position after this batch. */
  readonly next: DataPosition;
}

/**
 * `shuffledBatches` of pairs, each with one of an image's captions, drawn anew each epoch.
 * @throws TrainingError when there are no pairs, or fewer than a batch takes
 */
export function* pairBatches(pairs: readonly ImageTextPair[], options: ShuffleOptions): Generator<DataBatch, never> {
  for (const batches = shuffledBatches(pairs, options, { caller: "pairBatches", items: "pairs" }); ; ) {
    const { items, epoch, next } = batches.next().value;
    yield { pairs: items.map(({ item, at }) => choose(item, at, options.seed, epoch)), epoch, next };
  }
}

function choose(pair: ImageTextPair, at: number, seed: number, epoch: number): ChosenPair {
  const drawn = Math.floor(seededUniform(seededHash(seed, epoch, "caption"), at) * pair.captions.length);
  return { pair, caption: pair.captions[drawn] as string };
}
