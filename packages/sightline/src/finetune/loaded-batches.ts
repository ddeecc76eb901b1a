import { pairBatches, type BadPair, type ChosenPair, type DataPosition, type ImageTextPair } from "@sightline/contrastive";
import { SightlineError } from "../sightline-error.js";
import { BatchRows } from "./batch-rows.js";

/** A batch whose images are decoded. */
export interface LoadedBatch {
  /** Those whose image could be read, in order. */
  readonly pairs: readonly ChosenPair[];
  /** uint8[N, H, W, 3], a row an image. */
  readonly images: BatchRows;
  readonly epoch: number;
  readonly next: DataPosition;
  /** Pairs that were left out, and why. */
  readonly bad: readonly BadPair[];
}

/** One of the parts that processes divide a batch into. */
export interface BatchShare {
  readonly rank: number;
  readonly size: number;
}

export const wholeBatch: BatchShare = { rank: 0, size: 1 };

/** The pairs of one part; parts differ by one pair at most. */
export function partOf<T>(pairs: readonly T[], { rank, size }: BatchShare): readonly T[] {
  return pairs.slice(Math.floor((pairs.length * rank) / size), Math.floor((pairs.length * (rank + 1)) / size));
}

export interface LoadedBatchOptions {
  /** Which part of each batch; all of it when left out. */
  readonly share?: BatchShare;
  /** As many as will probably be taken; no batch is prepared ahead beyond them. */
  readonly wanted: number;
  readonly batchSize: number;
  readonly seed: number;
  readonly from: DataPosition;
  /** Bytes of an image as it is kept for the tower. */
  readonly imageBytes: number;
  /** Decodes one image, the same each time for the same pair and epoch. */
  readonly load: (pair: ImageTextPair, epoch: number) => Promise<Uint8Array>;
  /** A pair that cannot be read is left out, or ends the run. */
  readonly onBad: "skip" | "fail";
  /** The most of a batch that is held in memory, bytes; 512 MiB by default. */
  readonly keepBytes?: number;
  /** Images decoded at once; 4 by default. */
  readonly concurrency?: number;
  readonly signal?: AbortSignal;
}

/**
 * The batches of `pairBatches` with their images, the next one decoded while the caller computes. The batch before is
 * disposed of when another is asked for.
 * @throws SightlineError `bad-input` naming the pair, with `onBad: "fail"`; when an epoch has no image that can be read
 */
export async function* loadedBatches(pairs: readonly ImageTextPair[], options: LoadedBatchOptions): AsyncGenerator<LoadedBatch, void> {
  const batches = pairBatches(pairs, options);
  const load = (): Promise<LoadedBatch> => {
    const batch = batches.next().value;
    return loadBatch({ ...batch, pairs: partOf(batch.pairs, options.share ?? wholeBatch) }, options);
  };
  let loading: Promise<LoadedBatch> | undefined;
  let emptyBatches = 0;
  try {
    for (let taken = 1; ; taken++) {
      const batch = await (loading ?? load());
      loading = taken < options.wanted ? load() : undefined;
      // It is awaited only after the caller's work, and may fail before.
      loading?.catch(() => undefined);
      emptyBatches = batch.pairs.length === 0 ? emptyBatches + 1 : 0;
      if (emptyBatches * options.batchSize > pairs.length) throw new SightlineError("bad-input", `finetune: no image of the last ${emptyBatches} batches could be read: ${batch.bad[0]?.id}: ${batch.bad[0]?.reason}`);
      await using images = batch.images;
      yield { ...batch, images };
    }
  } finally {
    await loading?.then(({ images }) => images[Symbol.asyncDispose](), () => undefined);
  }
}

async function loadBatch(batch: { readonly pairs: readonly ChosenPair[]; readonly epoch: number; readonly next: DataPosition }, options: LoadedBatchOptions): Promise<LoadedBatch> {
  const { load, onBad, imageBytes, signal, keepBytes = 512 * 2 ** 20, concurrency = 4 } = options;
  const images = await BatchRows.create(batch.pairs.length, imageBytes, keepBytes);
  const good: ChosenPair[] = [];
  const bad: BadPair[] = [];
  try {
    for (let from = 0; from < batch.pairs.length; from += concurrency) {
      signal?.throwIfAborted();
      const group = batch.pairs.slice(from, from + concurrency);
      const loaded = await Promise.all(group.map(({ pair }) => load(pair, batch.epoch).catch((error: unknown) => error as Error)));
      for (const [i, result] of loaded.entries()) {
        const chosen = group[i] as ChosenPair;
        if (result instanceof Uint8Array) {
          await images.write(good.length, result);
          good.push(chosen);
        } else if (onBad === "fail") {
          throw new SightlineError("bad-input", `finetune: pair ${chosen.pair.id}: ${result.message}; mend or remove it, or set data.bad to "skip"`, { cause: result });
        } else bad.push({ id: chosen.pair.id, reason: result.message });
      }
    }
    return { pairs: good, images, epoch: batch.epoch, next: batch.next, bad };
  } catch (error) {
    await images[Symbol.asyncDispose]();
    throw error;
  }
}
