import { seededHash, seededUniform } from "../seeded-hash.js";
import { TrainingError } from "../training-error.js";
import type { ImageTextPair } from "./image-text-pair.js";

/** Where a run stands in its data; a batch's `next` is all that a resumed run needs. */
export interface DataPosition {
  /** Times that all data has been seen. */
  readonly epoch: number;
  /** Batches taken of this epoch. */
  readonly batch: number;
}

/** Settings of `pairBatches`. */
export interface PairBatchOptions {
  /** Pairs of a batch. */
  readonly batchSize: number;
  readonly seed: number;
  /** Where to start; at the beginning when left out. */
  readonly from?: DataPosition;
}

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
 * Batches without end, in an order that seed and epoch determine, each with one of an image's captions, drawn anew each
 * epoch. What is left of an epoch after its last whole batch waits for another epoch's order. The same position gives the
 * same batches, whatever came before.
 * @throws TrainingError when there are no pairs, or fewer than a batch takes
 */
export function* pairBatches(pairs: readonly ImageTextPair[], { batchSize, seed, from = { epoch: 0, batch: 0 } }: PairBatchOptions): Generator<DataBatch, never> {
  if (pairs.length === 0) throw new TrainingError("pairBatches: there are no pairs; check the data's path and what was left out of it");
  if (!(Number.isInteger(batchSize) && batchSize > 0 && batchSize <= pairs.length)) {
    throw new TrainingError(`pairBatches: expected a batch of 1 to ${pairs.length} pairs, as many as there are, got ${batchSize}`);
  }
  const batches = Math.floor(pairs.length / batchSize);
  for (let { epoch, batch } = from; ; batch = 0, epoch++) {
    const order = shuffledOrder(pairs.length, seed, epoch);
    for (; batch < batches; batch++) {
      const chosen = Array.from(order.subarray(batch * batchSize, (batch + 1) * batchSize), (at) => choose(pairs[at] as ImageTextPair, at, seed, epoch));
      yield { pairs: chosen, epoch, next: batch + 1 < batches ? { epoch, batch: batch + 1 } : { epoch: epoch + 1, batch: 0 } };
    }
  }
}

/** The numbers below `count` in an order that seed and epoch determine (Fisher & Yates). */
export function shuffledOrder(count: number, seed: number, epoch: number): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  const hash = seededHash(seed, epoch, "order");
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(seededUniform(hash, i) * (i + 1));
    const kept = order[i] as number;
    order[i] = order[j] as number;
    order[j] = kept;
  }
  return order;
}

function choose(pair: ImageTextPair, at: number, seed: number, epoch: number): ChosenPair {
  const drawn = Math.floor(seededUniform(seededHash(seed, epoch, "caption"), at) * pair.captions.length);
  return { pair, caption: pair.captions[drawn] as string };
}
