import { seededHash, seededUniform } from "../seeded-hash.js";
import { TrainingError } from "../training-error.js";

/** Where a run stands in its data; a batch's `next` is all that a resumed run needs. */
export interface DataPosition {
  /** Times that all data has been seen. */
  readonly epoch: number;
  /** Batches taken of this epoch. */
  readonly batch: number;
}

/** The order of `shuffledBatches`, and where it starts. */
export interface ShuffleOptions {
  /** Items of a batch. */
  readonly batchSize: number;
  readonly seed: number;
  /** Where to start; at the beginning when left out. */
  readonly from?: DataPosition;
}

/** A batch of `shuffledBatches`, and where it stands. */
export interface ShuffledBatch<Item> {
  /** Each with its place in the data. */
  readonly items: readonly { readonly item: Item; readonly at: number }[];
  readonly epoch: number;
  /** The position after this batch. */
  readonly next: DataPosition;
}

/**
 * Batches without end, in an order that seed and epoch determine. What is left of an epoch after its last whole batch waits
 * for another epoch's order. The same position gives the same batches, whatever came before.
 * @param named the caller and what the items are, for errors
 * @throws TrainingError when there are no items, or fewer than a batch takes
 */
export function* shuffledBatches<Item>(all: readonly Item[], { batchSize, seed, from = { epoch: 0, batch: 0 } }: ShuffleOptions, named: { readonly caller: string; readonly items: string }): Generator<ShuffledBatch<Item>, never> {
  if (all.length === 0) throw new TrainingError(`${named.caller}: there are no ${named.items}; check the data's path and what was left out of it`);
  if (!(Number.isInteger(batchSize) && batchSize > 0 && batchSize <= all.length)) {
    throw new TrainingError(`${named.caller}: expected a batch of 1 to ${all.length} ${named.items}, as many as there are, got ${batchSize}`);
  }
  const batches = Math.floor(all.length / batchSize);
  for (let { epoch, batch } = from; ; batch = 0, epoch++) {
    const order = shuffledOrder(all.length, seed, epoch);
    for (; batch < batches; batch++) {
      const items = Array.from(order.subarray(batch * batchSize, (batch + 1) * batchSize), (at) => ({ item: all[at] as Item, at }));
      yield { items, epoch, next: batch + 1 < batches ? { epoch, batch: batch + 1 } : { epoch: epoch + 1, batch: 0 } };
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
